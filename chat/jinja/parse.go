package jinja

import (
	"slices"
	"strconv"
	"strings"
)

// parser turns tokens into statements by recursive descent, one method per level of the grammar in Jinja's "Template
// Designer Documentation".
type parser struct {
	toks  []token
	pos   int
	depth int
	names map[string]bool // read so far; a macro needs to know whether it uses varargs, kwargs, caller
}

// parse reads a template.
func parse(src string) ([]node, error) {
	toks, err := lex(src)
	if err != nil {
		return nil, err
	}
	p := &parser{toks: toks, names: make(map[string]bool)}
	body, err := p.body()
	if err == nil && p.peek().kind != tEOF {
		err = fault("'%s' without a beginning", p.peekAt(1).text)
	}
	if err != nil {
		if t, ok := err.(*Error); ok && t.Line == 0 {
			t.Line = p.peek().line
		}
		return nil, err
	}
	return body, nil
}

func (p *parser) peek() token { return p.peekAt(0) }

func (p *parser) peekAt(n int) token { return p.toks[min(p.pos+n, len(p.toks)-1)] }

func (p *parser) next() token {
	t := p.peek()
	p.pos++
	return t
}

func (p *parser) isOp(op string) bool {
	t := p.peek()
	return t.kind == tOp && t.text == op
}

func (p *parser) isName(names ...string) bool {
	t := p.peek()
	return t.kind == tName && slices.Contains(names, t.text)
}

func (p *parser) skipOp(op string) bool {
	if p.isOp(op) {
		p.pos++
		return true
	}
	return false
}

func (p *parser) skipName(name string) bool {
	if p.isName(name) {
		p.pos++
		return true
	}
	return false
}

func (p *parser) expectOp(op string) error {
	if !p.skipOp(op) {
		return fault("'%s' expected, not %s", op, p.peek())
	}
	return nil
}

func (p *parser) name() (string, error) {
	if p.peek().kind != tName {
		return "", fault("name expected, not %s", p.peek())
	}
	return p.next().text, nil
}

func (t token) String() string {
	switch t.kind {
	case tEOF:
		return "the end of the template"
	case tVarEnd:
		return "the end of the expression"
	case tBlockEnd:
		return "the end of the statement"
	case tString:
		return "a string"
	}
	return "'" + t.text + "'"
}

// nest counts one more level; the caller takes it back with unlink.
func (p *parser) nest() error {
	if p.depth >= maxNesting {
		return fault("nests deeper than %d", maxNesting)
	}
	p.depth++
	return nil
}

// expression: a if b else c.
func (p *parser) expression() (expr, error) {
	if err := p.nest(); err != nil {
		return nil, err
	}
	defer p.unlink(p.depth - 1)
	e, err := p.or()
	for err == nil && p.skipName("if") {
		if err := p.nest(); err != nil {
			return nil, err
		}
		c := &condExpr{yes: e}
		if c.test, err = p.or(); err != nil {
			return nil, err
		}
		if p.skipName("else") {
			if c.no, err = p.expression(); err != nil {
				return nil, err
			}
		}
		e = c
	}
	return e, err
}

// unlink takes the depth back to what it was. The operands of a chain count as nested, since a chain of n operators is a
// tree n deep that evaluation descends.
func (p *parser) unlink(depth int) { p.depth = depth }

func (p *parser) or() (expr, error) {
	defer p.unlink(p.depth)
	left, err := p.and()
	for err == nil && p.skipName("or") {
		if err = p.nest(); err != nil {
			return nil, err
		}
		var right expr
		if right, err = p.and(); err == nil {
			left = &logicExpr{left: left, right: right, or: true}
		}
	}
	return left, err
}

func (p *parser) and() (expr, error) {
	defer p.unlink(p.depth)
	left, err := p.not()
	for err == nil && p.skipName("and") {
		if err = p.nest(); err != nil {
			return nil, err
		}
		var right expr
		if right, err = p.not(); err == nil {
			left = &logicExpr{left: left, right: right}
		}
	}
	return left, err
}

func (p *parser) not() (expr, error) {
	if !p.isName("not") || p.peekAt(1).kind == tName && p.peekAt(1).text == "in" {
		return p.compare()
	}
	p.next()
	if err := p.nest(); err != nil {
		return nil, err
	}
	defer p.unlink(p.depth - 1)
	e, err := p.not()
	return &notExpr{e}, err
}

func (p *parser) compare() (expr, error) {
	first, err := p.sum()
	if err != nil {
		return nil, err
	}
	c := &compareExpr{first: first}
	for {
		var op string
		switch t := p.peek(); {
		case t.kind == tOp && slices.Contains([]string{"==", "!=", "<", "<=", ">", ">="}, t.text):
			op = t.text
			p.next()
		case p.skipName("in"):
			op = "in"
		case p.isName("not") && p.peekAt(1).kind == tName && p.peekAt(1).text == "in":
			p.pos += 2
			op = "not in"
		default:
			if len(c.ops) == 0 {
				return first, nil
			}
			return c, nil
		}
		e, err := p.sum()
		if err != nil {
			return nil, err
		}
		c.ops, c.rest = append(c.ops, op), append(c.rest, e)
	}
}

// binary parses operands of one level joined by ops, from the left.
func (p *parser) binary(operand func() (expr, error), ops ...string) (expr, error) {
	defer p.unlink(p.depth)
	left, err := operand()
	for err == nil {
		t := p.peek()
		if t.kind != tOp || !slices.Contains(ops, t.text) {
			break
		}
		p.next()
		if err = p.nest(); err != nil {
			return nil, err
		}
		var right expr
		if right, err = operand(); err == nil {
			left = &binaryExpr{op: t.text, left: left, right: right}
		}
	}
	return left, err
}

func (p *parser) sum() (expr, error) { return p.binary(p.concat, "+", "-") }

func (p *parser) concat() (expr, error) {
	first, err := p.product()
	if err != nil || !p.isOp("~") {
		return first, err
	}
	c := &concatExpr{[]expr{first}}
	for p.skipOp("~") {
		e, err := p.product()
		if err != nil {
			return nil, err
		}
		c.parts = append(c.parts, e)
	}
	return c, nil
}

func (p *parser) product() (expr, error) { return p.binary(p.power, "*", "/", "//", "%") }

func (p *parser) power() (expr, error) {
	return p.binary(func() (expr, error) { return p.unary(true) }, "**")
}

// unary: filters and tests apply to the operand with its sign, as in Jinja: -1|abs is (-1)|abs.
func (p *parser) unary(filters bool) (expr, error) {
	if err := p.nest(); err != nil {
		return nil, err
	}
	defer p.unlink(p.depth - 1)
	var e expr
	var err error
	switch {
	case p.skipOp("-"):
		e, err = p.unary(false)
		e = &signExpr{e, true}
	case p.skipOp("+"):
		e, err = p.unary(false)
		e = &signExpr{e, false}
	default:
		e, err = p.primary()
	}
	if err == nil {
		e, err = p.postfix(e)
	}
	if err == nil && filters {
		e, err = p.filters(e)
	}
	return e, err
}

func (p *parser) primary() (expr, error) {
	switch t := p.next(); t.kind {
	case tName:
		switch t.text {
		case "true", "True":
			return literal{true}, nil
		case "false", "False":
			return literal{false}, nil
		case "none", "None":
			return literal{nil}, nil
		}
		p.names[t.text] = true
		return nameExpr(t.text), nil
	case tString:
		s := t.text
		if p.peek().kind == tString {
			var b strings.Builder
			b.WriteString(s)
			for p.peek().kind == tString {
				b.WriteString(p.next().text)
			}
			s = b.String()
		}
		return literal{s}, nil
	case tInt:
		digits := t.text
		if len(digits) > 1 && strings.Trim(digits, "0123456789") == "" {
			digits = strings.TrimLeft(digits[:len(digits)-1], "0") + digits[len(digits)-1:]
		}
		n, err := strconv.ParseInt(digits, 0, 64)
		if err != nil {
			return nil, fault("integer %s out of range", t.text)
		}
		return literal{n}, nil
	case tFloat:
		f, err := strconv.ParseFloat(t.text, 64)
		if err != nil {
			return nil, fault("number %s out of range", t.text)
		}
		return literal{f}, nil
	case tOp:
		switch t.text {
		case "(":
			e, err := p.tuple(true, true)
			if err == nil {
				err = p.expectOp(")")
			}
			return e, err
		case "[":
			items, err := p.sequence("]")
			return &listExpr{items: items}, err
		case "{":
			return p.dict()
		}
	}
	p.pos--
	return nil, fault("unexpected %s", p.peek())
}

// sequence parses expressions up to the closing bracket, a comma at the end allowed.
func (p *parser) sequence(closing string) ([]expr, error) {
	var items []expr
	for !p.skipOp(closing) {
		if len(items) > 0 {
			if err := p.expectOp(","); err != nil {
				return nil, err
			}
			if p.skipOp(closing) {
				break
			}
		}
		e, err := p.expression()
		if err != nil {
			return nil, err
		}
		items = append(items, e)
	}
	return items, nil
}

func (p *parser) dict() (expr, error) {
	d := &dictExpr{}
	for !p.skipOp("}") {
		if len(d.keys) > 0 {
			if err := p.expectOp(","); err != nil {
				return nil, err
			}
			if p.skipOp("}") {
				break
			}
		}
		k, err := p.expression()
		if err == nil {
			err = p.expectOp(":")
		}
		if err != nil {
			return nil, err
		}
		v, err := p.expression()
		if err != nil {
			return nil, err
		}
		d.keys, d.values = append(d.keys, k), append(d.values, v)
	}
	return d, nil
}

// tuple parses an expression, or several with commas between them, which make a tuple. Conditionals are left out where an
// "if" means something else (for loops).
func (p *parser) tuple(cond, parens bool) (expr, error) {
	one := p.expression
	if !cond {
		one = p.or
	}
	var items []expr
	comma := false
	for !p.tupleEnd() {
		e, err := one()
		if err != nil {
			return nil, err
		}
		items = append(items, e)
		if !p.skipOp(",") {
			break
		}
		comma = true
	}
	if comma || parens && len(items) == 0 {
		return &listExpr{items: items, tuple: true}, nil
	}
	if len(items) == 0 {
		return nil, fault("expression expected, not %s", p.peek())
	}
	return items[0], nil
}

func (p *parser) tupleEnd() bool {
	k := p.peek().kind
	return k == tVarEnd || k == tBlockEnd || k == tEOF || p.isOp(")") || p.isName("recursive")
}
