package policy

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// A Method is one entry of the registry: what it is, where it comes from, what it takes and how its parts are made.
type Method struct {
	Name   string // in spec strings
	Title  string // as the paper calls it
	Paper  string // reference with section
	Good   string // what it is good at, one line
	Bad    string // what it is bad at, one line
	Params []Param
	New    func(a Args) (Parts, error)
}

// A Param is one parameter of a method.
type Param struct {
	Name    string
	Default string   // as it would be written; "" where the method derives it
	Min     float64  // of numbers
	Max     float64  // of numbers; Min == Max means unbounded
	Whole   bool     // integers only
	Choices []string // words; nil for numbers
	Meaning string
}

// Parts are what a method contributes to a recipe; nil where it has nothing to say.
type Parts struct {
	Score     Scorer
	Standard  Scorer // the score where no method of the recipe gives one
	Refine    Refiner
	Allocate  Allocator
	Select    Selector
	Propagate Propagator
	Rest      Rest
	Fit       Fitter
	Thin      Thinner
	Read      Reader
	Yield     Yielder // instead of a score: nothing is decided before memory runs short
	Store     Store
	When      When
	InBytes   bool    // a share is one of the f16 cache's bytes, not of its entries
	Adapt     Adapter // the recipe depends on the budget
}

// Args are the values of a method's parameters, defaults filled in.
type Args struct{ values map[string]string }

// Int returns a whole parameter. The registry has checked it.
func (a Args) Int(name string) int {
	n, err := strconv.Atoi(a.values[name])
	if err != nil {
		panic("policy: parameter " + name + " is not declared as whole")
	}
	return n
}

// Float returns a number.
func (a Args) Float(name string) float64 {
	f, err := strconv.ParseFloat(a.values[name], 64)
	if err != nil {
		panic("policy: parameter " + name + " is not declared as a number")
	}
	return f
}

// Word returns a parameter as written.
func (a Args) Word(name string) string { return a.values[name] }

// Given reports whether the parameter has a value, by the caller or by default.
func (a Args) Given(name string) bool { return a.values[name] != "" }

var registry = map[string]*Method{}

// Register adds a method. It is called from init functions only; a second method of the same name is a programming error.
func Register(m Method) {
	if registry[m.Name] != nil {
		panic("policy: method " + m.Name + " is registered twice")
	}
	registry[m.Name] = &m
}

// Methods returns every registered method, by name.
func Methods() []*Method {
	return slices.SortedFunc(maps.Values(registry), func(a, b *Method) int { return strings.Compare(a.Name, b.Name) })
}

// Lookup returns a method by name, nil if there is none.
func Lookup(name string) *Method { return registry[name] }

// Parts returns the method's parts with default parameters.
func (m *Method) Parts() (Parts, error) { return m.make(Term{Name: m.Name}) }

// make builds the parts of one term.
func (m *Method) make(t Term) (Parts, error) {
	args := Args{values: map[string]string{}}
	for _, p := range m.Params {
		args.values[p.Name] = p.Default
	}
	for _, a := range t.Args {
		i := slices.IndexFunc(m.Params, func(p Param) bool { return p.Name == a.Name })
		if i < 0 {
			return Parts{}, fmt.Errorf("%s has no parameter %q; it takes %s", m.Name, a.Name, m.paramNames())
		}
		if err := m.Params[i].check(a.Value); err != nil {
			return Parts{}, fmt.Errorf("%s: %w", m.Name, err)
		}
		args.values[a.Name] = a.Value
	}
	parts, err := m.New(args)
	if err != nil {
		return Parts{}, fmt.Errorf("%s: %w", m.Name, err)
	}
	return parts, nil
}

func (m *Method) paramNames() string {
	if len(m.Params) == 0 {
		return "none"
	}
	names := make([]string, len(m.Params))
	for i, p := range m.Params {
		names[i] = p.Name
	}
	return strings.Join(names, ", ")
}

func (p Param) check(v string) error {
	if p.Choices != nil {
		if !slices.Contains(p.Choices, v) {
			return fmt.Errorf("%s=%s; want %s", p.Name, v, strings.Join(p.Choices, ", "))
		}
		return nil
	}
	if p.Whole {
		if _, err := strconv.Atoi(v); err != nil {
			return fmt.Errorf("%s=%s is not a whole number", p.Name, v)
		}
	}
	f, err := strconv.ParseFloat(v, 64)
	if err != nil || f != f {
		return fmt.Errorf("%s=%s is not a number", p.Name, v)
	}
	if p.Min != p.Max && (f < p.Min || f > p.Max) {
		return fmt.Errorf("%s=%s is outside %g to %g", p.Name, v, p.Min, p.Max)
	}
	return nil
}

// closest names the registered method that a misspelt one probably meant, "" if none is near.
func closest(name string) string {
	best, at := "", 3
	for _, m := range Methods() {
		if d := editDistance(name, m.Name); d < at {
			best, at = m.Name, d
		}
	}
	return best
}

func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diag := row[0]
		row[0] = i + 1
		for j := range len(b) {
			next := min(row[j]+1, row[j+1]+1)
			if a[i] == b[j] {
				next = min(next, diag)
			} else {
				next = min(next, diag+1)
			}
			diag, row[j+1] = row[j+1], next
		}
	}
	return row[len(b)]
}
