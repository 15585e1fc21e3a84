package jinja

import (
	"errors"
	"strings"
	"sync"
	"time"
)

// Template is a parsed template. It does not change and may be rendered by several goroutines at once.
type Template struct {
	body []node
}

// Parse reads a template. Errors are *Error.
func Parse(source string) (*Template, error) {
	body, err := parse(source)
	if err != nil {
		return nil, err
	}
	return &Template{body: body}, nil
}

// Render runs the template with vars as its variables, at the time now, within limits. The values in vars belong to the
// rendering: a template may change lists and objects. Errors are *Error.
func (t *Template) Render(vars map[string]Value, now time.Time, limits Limits) (string, error) {
	m := &machine{meter: &meter{steps: limits.Steps, bytes: limits.Bytes}, now: now, filter: filterTable()}
	own := make(map[string]Value, len(vars)) // statements at the top assign here
	for k, v := range vars {
		own[k] = v
	}
	var b strings.Builder
	err := run(t.body, m, &scope{vars: own}, &b)
	if errors.Is(err, errBreak) || errors.Is(err, errContinue) {
		err = fault("%v", err)
	}
	if err != nil {
		return "", err
	}
	return b.String(), nil
}

var filterTable = sync.OnceValue(filters)
