package jinja

import "slices"

// body parses text, expressions and statements up to a statement that starts with one of the words in end, which is left
// to the caller; without words, to the end of the template.
func (p *parser) body(end ...string) ([]node, error) {
	if err := p.nest(); err != nil {
		return nil, err
	}
	defer p.unlink(p.depth - 1)
	var out []node
	for {
		switch t := p.peek(); t.kind {
		case tEOF:
			if len(end) > 0 {
				return nil, fault("'%s' missing at the end", end[len(end)-1])
			}
			return out, nil
		case tData:
			p.next()
			out = append(out, textNode(t.text))
		case tVarBegin:
			p.next()
			e, err := p.tuple(true, false)
			if err != nil {
				return nil, err
			}
			if p.peek().kind != tVarEnd {
				return nil, fault("unexpected %s", p.peek())
			}
			p.next()
			out = append(out, &printNode{line: t.line, of: e})
		default:
			word := p.peekAt(1)
			if word.kind == tName && (slices.Contains(end, word.text) || len(end) == 0 && closes(word.text)) {
				return out, nil
			}
			p.next()
			n, err := p.statement()
			if err != nil {
				return nil, err
			}
			if n != nil {
				out = append(out, n)
			}
		}
	}
}

func closes(word string) bool {
	return len(word) > 3 && word[:3] == "end" || word == "else" || word == "elif"
}

// endTag takes the rest of a statement, which must be empty.
func (p *parser) endTag() error {
	if p.peek().kind != tBlockEnd {
		return fault("unexpected %s", p.peek())
	}
	p.next()
	return nil
}

// block parses the rest of a statement, a body, and its end statement.
func (p *parser) block(end string) ([]node, error) {
	if err := p.endTag(); err != nil {
		return nil, err
	}
	body, err := p.body(end)
	if err != nil {
		return nil, err
	}
	p.pos += 2
	return body, p.endTag()
}

func (p *parser) statement() (node, error) {
	line := p.peek().line
	word, err := p.name()
	if err != nil {
		return nil, err
	}
	switch word {
	case "if":
		return p.ifStatement(line)
	case "for":
		return p.forStatement(line)
	case "set":
		return p.setStatement(line)
	case "macro":
		return p.macroStatement(line)
	case "call":
		return p.callStatement(line)
	case "filter":
		f, err := p.filterChain()
		if err != nil {
			return nil, err
		}
		body, err := p.block("endfilter")
		return &filterNode{line: line, chain: f, body: body}, err
	case "with":
		return p.withStatement(line)
	case "generation":
		// Marks what the assistant wrote, for training; the text is the same without it.
		body, err := p.block("endgeneration")
		return &withNode{line: line, body: body}, err
	case "break", "continue":
		return &jumpNode{line: line, out: word == "break"}, p.endTag()
	case "print":
		e, err := p.tuple(true, false)
		if err != nil {
			return nil, err
		}
		return &printNode{line: line, of: e}, p.endTag()
	}
	return nil, fault("statement '%s' is not supported", word)
}

func (p *parser) ifStatement(line int) (node, error) {
	n := &ifNode{line: line}
	for {
		test, err := p.tuple(false, false)
		if err == nil {
			err = p.endTag()
		}
		if err != nil {
			return nil, err
		}
		body, err := p.body("elif", "else", "endif")
		if err != nil {
			return nil, err
		}
		n.tests, n.bodies = append(n.tests, test), append(n.bodies, body)
		p.next()
		switch p.next().text {
		case "elif":
			continue
		case "else":
			if n.otherwise, err = p.block("endif"); err != nil {
				return nil, err
			}
			return n, nil
		}
		return n, p.endTag()
	}
}

// target parses what is assigned to: a name, or names with commas between them, in brackets or not.
func (p *parser) target() (target, error) {
	var t target
	parens := p.skipOp("(")
	for {
		name, err := p.name()
		if err != nil {
			return t, err
		}
		t.names = append(t.names, name)
		if !p.skipOp(",") {
			break
		}
		t.tuple = true
		if p.isName("in") || p.isOp("=") || p.isOp(")") {
			break
		}
	}
	if parens {
		return t, p.expectOp(")")
	}
	return t, nil
}

func (p *parser) forStatement(line int) (node, error) {
	n := &forNode{line: line}
	var err error
	if n.target, err = p.target(); err != nil {
		return nil, err
	}
	if !p.skipName("in") {
		return nil, fault("'in' expected, not %s", p.peek())
	}
	if n.over, err = p.tuple(false, false); err != nil {
		return nil, err
	}
	if p.skipName("if") {
		if n.test, err = p.expression(); err != nil {
			return nil, err
		}
	}
	n.recursive = p.skipName("recursive")
	if err = p.endTag(); err != nil {
		return nil, err
	}
	if n.body, err = p.body("else", "endfor"); err != nil {
		return nil, err
	}
	p.next()
	if p.next().text == "else" {
		n.otherwise, err = p.block("endfor")
		return n, err
	}
	return n, p.endTag()
}

func (p *parser) setStatement(line int) (node, error) {
	n := &setNode{line: line}
	if next := p.peekAt(1); p.peek().kind == tName && next.kind == tOp && next.text == "." {
		n.namespace = p.next().text
		p.next()
		name, err := p.name()
		if err != nil {
			return nil, err
		}
		n.target.names = []string{name}
	} else {
		var err error
		if n.target, err = p.target(); err != nil {
			return nil, err
		}
	}
	var err error
	if p.skipOp("=") {
		if n.value, err = p.tuple(true, false); err != nil {
			return nil, err
		}
		return n, p.endTag()
	}
	if p.skipOp("|") {
		if n.chain, err = p.filterChain(); err != nil {
			return nil, err
		}
	}
	n.body, err = p.block("endset")
	return n, err
}

// filterChain parses name(args)|name(args)… applied to a block's text.
func (p *parser) filterChain() (expr, error) {
	defer p.unlink(p.depth)
	e, err := p.filter(blockText{})
	for err == nil && p.skipOp("|") {
		if err := p.nest(); err != nil {
			return nil, err
		}
		e, err = p.filter(e)
	}
	return e, err
}

// parameters of a macro or of a call's body, after the opening bracket.
func (p *parser) parameters() (names []string, defaults []expr, err error) {
	for !p.skipOp(")") {
		if len(names) > 0 {
			if err := p.expectOp(","); err != nil {
				return nil, nil, err
			}
			if p.skipOp(")") {
				break
			}
		}
		name, err := p.name()
		if err != nil {
			return nil, nil, err
		}
		var def expr
		if p.skipOp("=") {
			if def, err = p.expression(); err != nil {
				return nil, nil, err
			}
		} else if len(defaults) > 0 && defaults[len(defaults)-1] != nil {
			return nil, nil, fault("parameter '%s' without a default after one with", name)
		}
		names, defaults = append(names, name), append(defaults, def)
	}
	return names, defaults, nil
}

func (p *parser) macroStatement(line int) (node, error) {
	n := &macroNode{line: line}
	var err error
	if n.name, err = p.name(); err != nil {
		return nil, err
	}
	if err = p.expectOp("("); err != nil {
		return nil, err
	}
	if n.params, n.defaults, err = p.parameters(); err != nil {
		return nil, err
	}
	return n, p.macroBody(n, "endmacro")
}

// macroBody parses the body and notes which of the special names it reads.
func (p *parser) macroBody(n *macroNode, end string) error {
	outer := p.names
	p.names = make(map[string]bool)
	var err error
	n.body, err = p.block(end)
	n.varargs, n.kwargs, n.caller = p.names["varargs"], p.names["kwargs"], p.names["caller"]
	for name := range p.names {
		outer[name] = true
	}
	p.names = outer
	return err
}

func (p *parser) callStatement(line int) (node, error) {
	n := &callNode{line: line, body: macroNode{line: line, name: "caller"}}
	var err error
	if p.skipOp("(") {
		if n.body.params, n.body.defaults, err = p.parameters(); err != nil {
			return nil, err
		}
	}
	e, err := p.expression()
	if err != nil {
		return nil, err
	}
	call, ok := e.(*callExpr)
	if !ok {
		return nil, fault("call expected")
	}
	n.call = call
	return n, p.macroBody(&n.body, "endcall")
}

func (p *parser) withStatement(line int) (node, error) {
	n := &withNode{line: line}
	for p.peek().kind != tBlockEnd {
		if len(n.targets) > 0 {
			if err := p.expectOp(","); err != nil {
				return nil, err
			}
		}
		t, err := p.target()
		if err == nil {
			err = p.expectOp("=")
		}
		if err != nil {
			return nil, err
		}
		e, err := p.expression()
		if err != nil {
			return nil, err
		}
		n.targets, n.values = append(n.targets, t), append(n.values, e)
	}
	var err error
	n.body, err = p.block("endwith")
	return n, err
}
