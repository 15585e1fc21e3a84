package jinja

import "strconv"

// postfix: attributes, subscripts, slices and calls.
func (p *parser) postfix(e expr) (expr, error) {
	defer p.unlink(p.depth)
	for {
		if err := p.nest(); err != nil {
			return nil, err
		}
		switch {
		case p.skipOp("."):
			t := p.next()
			switch t.kind {
			case tName:
				e = &attrExpr{of: e, name: t.text}
			case tInt:
				n, err := strconv.ParseInt(t.text, 10, 64)
				if err != nil {
					return nil, fault("integer %s out of range", t.text)
				}
				e = &itemExpr{of: e, key: literal{n}}
			default:
				p.pos--
				return nil, fault("name expected, not %s", p.peek())
			}
		case p.skipOp("["):
			var err error
			if e, err = p.subscript(e); err != nil {
				return nil, err
			}
		case p.skipOp("("):
			a, err := p.arguments()
			if err != nil {
				return nil, err
			}
			e = &callExpr{fn: e, args: a}
		default:
			return e, nil
		}
	}
}

func (p *parser) subscript(of expr) (expr, error) {
	var parts [3]expr
	n, colons := 0, 0
	for !p.isOp("]") {
		if p.skipOp(":") {
			colons++
			n = colons
			if colons > 2 {
				return nil, fault("unexpected ':'")
			}
			continue
		}
		if parts[n] != nil {
			return nil, fault("']' expected, not %s", p.peek())
		}
		e, err := p.expression()
		if err != nil {
			return nil, err
		}
		parts[n] = e
	}
	p.next()
	if colons > 0 {
		return &sliceExpr{of: of, parts: parts}, nil
	}
	if parts[0] == nil {
		return nil, fault("subscript expected, not ']'")
	}
	return &itemExpr{of: of, key: parts[0]}, nil
}

// arguments parses a call's arguments after the opening bracket.
func (p *parser) arguments() (callArgs, error) {
	var a callArgs
	for first := true; !p.skipOp(")"); first = false {
		if !first {
			if err := p.expectOp(","); err != nil {
				return a, err
			}
			if p.skipOp(")") {
				break
			}
		}
		switch t := p.peek(); {
		case p.isOp("*") || p.isOp("**"):
			p.next()
			e, err := p.expression()
			if err != nil {
				return a, err
			}
			if t.text == "*" {
				a.star = e
			} else {
				a.starstar = e
			}
		case t.kind == tName && p.peekAt(1).kind == tOp && p.peekAt(1).text == "=":
			p.pos += 2
			e, err := p.expression()
			if err != nil {
				return a, err
			}
			a.keys, a.vals = append(a.keys, t.text), append(a.vals, e)
		default:
			if len(a.keys) > 0 {
				return a, fault("positional argument after a keyword argument")
			}
			e, err := p.expression()
			if err != nil {
				return a, err
			}
			a.pos = append(a.pos, e)
		}
	}
	return a, nil
}

// filters: e|name(args) and e is [not] name args, in any order.
func (p *parser) filters(e expr) (expr, error) {
	defer p.unlink(p.depth)
	for {
		err := p.nest()
		if err != nil {
			return nil, err
		}
		switch {
		case p.skipOp("|"):
			e, err = p.filter(e)
		case p.skipName("is"):
			e, err = p.test(e)
		case p.skipOp("("):
			var a callArgs
			a, err = p.arguments()
			e = &callExpr{fn: e, args: a}
		default:
			return e, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

func (p *parser) filter(e expr) (expr, error) {
	name, err := p.name()
	if err != nil {
		return nil, err
	}
	f := &filterExpr{of: e, name: name}
	if p.skipOp("(") {
		f.args, err = p.arguments()
	}
	return f, err
}

func (p *parser) test(e expr) (expr, error) {
	negated := p.skipName("not")
	name, err := p.name()
	if err != nil {
		return nil, err
	}
	t := &testExpr{of: e, name: name}
	switch k := p.peek().kind; {
	case p.skipOp("("):
		if t.args, err = p.arguments(); err != nil {
			return nil, err
		}
	case k == tString || k == tInt || k == tFloat || p.isOp("[") || p.isOp("{") ||
		k == tName && !p.isName("else", "or", "and", "if", "is", "in", "not", "recursive"):
		arg, err := p.primary()
		if err == nil {
			arg, err = p.postfix(arg)
		}
		if err != nil {
			return nil, err
		}
		t.args.pos = []expr{arg}
	}
	if negated {
		return &notExpr{t}, nil
	}
	return t, nil
}
