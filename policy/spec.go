package policy

import (
	"fmt"
	"strings"
)

// A Term is one method of a spec string with the arguments given to it, in the order they were written.
type Term struct {
	Name string
	Args []Arg
}

// An Arg is one name=value of a term; both as written.
type Arg struct{ Name, Value string }

// String writes the term as Parse reads it.
func (t Term) String() string {
	if len(t.Args) == 0 {
		return t.Name
	}
	args := make([]string, len(t.Args))
	for i, a := range t.Args {
		args[i] = a.Name + "=" + a.Value
	}
	return t.Name + "(" + strings.Join(args, ",") + ")"
}

// maxSpec bounds a spec string: requests carry them, and no sensible recipe comes near.
const maxSpec = 1000

// ParseTerms splits a spec string, "snapkv(window=32)+adakv+q4", into its terms. It knows the grammar
//
//	spec = term { "+" term } ;  term = name [ "(" [ arg { "," arg } ] ")" ] ;  arg = name "=" value
//
// and nothing of the methods.
func ParseTerms(spec string) ([]Term, error) {
	if len(spec) > maxSpec {
		return nil, fmt.Errorf("policy: recipe: %d characters, at most %d", len(spec), maxSpec)
	}
	var terms []Term
	for _, part := range splitOutside(spec, '+') {
		t, err := parseTerm(strings.TrimSpace(part))
		if err != nil {
			return nil, fmt.Errorf("policy: recipe %q: %w", spec, err)
		}
		terms = append(terms, t)
	}
	return terms, nil
}

func parseTerm(s string) (Term, error) {
	name, rest, open := strings.Cut(s, "(")
	name = strings.TrimSpace(name)
	if !isWord(name) {
		return Term{}, fmt.Errorf("%q is no method name", name)
	}
	t := Term{Name: strings.ToLower(name)}
	if !open {
		return t, nil
	}
	inner, ok := strings.CutSuffix(rest, ")")
	if !ok {
		return Term{}, fmt.Errorf("%s: the closing parenthesis is missing", t.Name)
	}
	if strings.TrimSpace(inner) == "" {
		return t, nil
	}
	seen := map[string]bool{}
	for _, a := range splitOutside(inner, ',') {
		k, v, ok := strings.Cut(a, "=")
		k, v = strings.TrimSpace(k), strings.TrimSpace(v)
		if !ok || !isWord(k) || v == "" || strings.ContainsAny(v, "()+,= ") {
			return Term{}, fmt.Errorf("%s: %q is not name=value", t.Name, a)
		}
		if seen[k] {
			return Term{}, fmt.Errorf("%s: %s is given twice", t.Name, k)
		}
		seen[k] = true
		t.Args = append(t.Args, Arg{k, v})
	}
	return t, nil
}

func isWord(s string) bool {
	for _, r := range s {
		if !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' || r == '-') {
			return false
		}
	}
	return s != ""
}

// SplitList splits a list of spec strings at the commas outside parentheses.
func SplitList(s string) []string {
	var list []string
	for _, part := range splitOutside(s, ',') {
		if part = strings.TrimSpace(part); part != "" {
			list = append(list, part)
		}
	}
	return list
}

// splitOutside splits s at sep wherever no parenthesis is open.
func splitOutside(s string, sep rune) []string {
	var parts []string
	depth, from := 0, 0
	for i, r := range s {
		switch {
		case r == '(':
			depth++
		case r == ')':
			depth--
		case r == sep && depth <= 0:
			parts = append(parts, s[from:i])
			from = i + 1
		}
	}
	return append(parts, s[from:])
}
