package jinja

import "fmt"

// Bounds that do not depend on the input. The largest template seen in a public model is under 30 kB, takes a few thousand
// steps and nests five deep.
const (
	maxSource  = 256 << 10 // bytes of template source
	maxNesting = 800       // expressions and statements inside each other in the source, operands of a chain included
	maxCalls   = 100       // macros, filters and loops calling each other at run time
	maxDepth   = 256       // lists and objects inside each other in a value
)

// Limits bounds one rendering.
type Limits struct {
	Steps int64 // nodes evaluated, items visited, and 1/16 of the bytes read; a million take about a quarter of a second
	Bytes int64 // of text and lists built, intermediate ones included
}

// LimitsFor returns limits that let honest templates render size bytes of messages with room to spare: what a template does
// to a message is read it a few times and copy it a few times.
func LimitsFor(size int) Limits {
	return Limits{Steps: 2<<20 + 6*int64(size), Bytes: 32<<20 + 24*int64(size)}
}

// meter counts down what a rendering has left. Every loop that a template can lengthen goes through it.
type meter struct {
	steps, bytes int64
	depth        int // calls inside each other
}

// step charges n steps.
func (m *meter) step(n int) error {
	m.steps -= int64(n)
	if m.steps < 0 {
		return fault("takes more steps than a chat template may")
	}
	return nil
}

// grow charges n bytes about to be built; ask before building.
func (m *meter) grow(n int) error {
	if n < 0 || int64(n) > m.bytes {
		return fault("builds more text than a chat template may")
	}
	m.bytes -= int64(n)
	m.steps -= int64(n) >> 5
	return nil
}

// scan charges reading n bytes: a quadratic template must run out too.
func (m *meter) scan(n int) error { return m.step(n >> 4) }

// enter and leave bracket a call; without them a macro that calls itself would take the process down, since Go cannot
// recover from a stack that is too deep.
func (m *meter) enter() error {
	if m.depth >= maxCalls {
		return fault("calls nest deeper than %d", maxCalls)
	}
	m.depth++
	return nil
}

func (m *meter) leave() { m.depth-- }

// Error is a template that cannot be read, or that cannot be rendered with the variables given.
type Error struct {
	Line   int    // line of the template, 0 when unknown
	Fact   string // the template's own words when Raised
	Raised bool   // by the template itself, through raise_exception
}

func (e *Error) Error() string {
	if e.Raised || e.Line == 0 {
		return "jinja: " + e.Fact
	}
	return fmt.Sprintf("jinja: line %d: %s", e.Line, e.Fact)
}

// fault makes an error whose line the statement around it fills in.
func fault(format string, args ...any) *Error {
	return &Error{Fact: fmt.Sprintf(format, args...)}
}
