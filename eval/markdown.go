package eval

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"

	"pith/policy"
)

// Marks in a document between which FillTables writes. What follows the first one are words such as "fidelity arithmetic=exact".
const (
	tableMark    = "<!-- table: "
	tableMarkEnd = "<!-- /table -->"
)

// ReferenceArithmetic is the arithmetic of rows that another implementation measured on the same tokens.
const ReferenceArithmetic = "reference"

// tableKinds are the tables that a document can ask for.
var tableKinds = map[string]func(w *markdown, rows []Row, ask map[string]string) error{
	"likelihood": likelihoodTable,
	"agreement":  agreementTable,
	"fidelity":   fidelityTable,
	"needle":     needleTable,
	"scores":     scoresTable,
	"costs":      costsTable,
	"recipes":    recipesTable,
}

// FillTables writes the tables that a Markdown document asks for anew, from rows: everything between a line
//
//	<!-- table: KIND NAME=VALUE... -->
//
// and the next line <!-- /table -->. Kinds are likelihood, fidelity, agreement, needle, scores, costs and recipes; arithmetic=, task=, mode=, model= (the
// beginning of its name) and bytes= (yes: recipes whose share is one of bytes; no: the others) choose rows. Equal rows give equal bytes. Tables that
// find no rows are an error.
func FillTables(document []byte, rows []Row) ([]byte, error) {
	var out bytes.Buffer
	lines := strings.SplitAfter(string(document), "\n")
	for i := 0; i < len(lines); i++ {
		out.WriteString(lines[i])
		words, ok := strings.CutPrefix(strings.TrimSpace(lines[i]), tableMark)
		if !ok {
			continue
		}
		words = strings.TrimSuffix(words, "-->")
		end := i + 1
		for end < len(lines) && strings.TrimSpace(lines[end]) != tableMarkEnd {
			end++
		}
		if end == len(lines) {
			return nil, fmt.Errorf("eval: tables: line %d: no %s follows", i+1, tableMarkEnd)
		}
		fields := strings.Fields(words)
		if len(fields) == 0 || tableKinds[fields[0]] == nil {
			return nil, fmt.Errorf("eval: tables: line %d: no table is called %q", i+1, words)
		}
		ask := map[string]string{}
		for _, f := range fields[1:] {
			name, value, _ := strings.Cut(f, "=")
			ask[name] = value
		}
		w := &markdown{}
		if err := tableKinds[fields[0]](w, chosen(rows, ask), ask); err != nil {
			return nil, fmt.Errorf("eval: tables: line %d: %w", i+1, err)
		}
		out.WriteString("\n" + w.b.String() + "\n")
		out.WriteString(lines[end])
		i = end
	}
	return out.Bytes(), nil
}

// chosen are the rows that a table is about; those of the reference stay whatever arithmetic is asked for.
func chosen(rows []Row, ask map[string]string) []Row {
	return slices.DeleteFunc(slices.Clone(rows), func(r Row) bool {
		return ask["arithmetic"] != "" && r.Arithmetic != ask["arithmetic"] && r.Arithmetic != ReferenceArithmetic ||
			ask["task"] != "" && r.Task != ask["task"] || ask["mode"] != "" && r.Mode != ask["mode"] ||
			!strings.HasPrefix(r.Model, ask["model"]) || ask["bytes"] != "" && r.inBytes() != (ask["bytes"] == "yes")
	})
}

// inBytes reports whether the row's share is one of bytes: recipes are comparable at equal shares only if all of theirs are.
func (r *Row) inBytes() bool {
	terms, err := policy.ParseTerms(cmp.Or(r.Recipe, r.KV))
	return err == nil && slices.ContainsFunc(terms, func(t policy.Term) bool { return t.Name == "bytes" })
}

// markdown writes one table.
type markdown struct {
	b     strings.Builder
	began bool
}

// row writes one row; the first is the header. Columns after the first are aligned to the right.
func (w *markdown) row(cells ...string) {
	w.b.WriteString("| " + strings.Join(cells, " | ") + " |\n")
	if !w.began {
		w.began = true
		w.b.WriteString("|---" + strings.Repeat("|---:", len(cells)-1) + "|\n")
	}
}

func (w *markdown) text(format string, a ...any) { fmt.Fprintf(&w.b, "\n"+format+"\n", a...) }

// code writes a recipe; the bars of a table must not be in it.
func code(s string) string { return "`" + strings.ReplaceAll(s, "|", "\\|") + "`" }

// errNoRows is what a table says that has nothing to show.
var errNoRows = fmt.Errorf("no rows for it")

// likelihoodTable compares the full cache's log-likelihoods with those that came with the windows.
func likelihoodTable(w *markdown, rows []Row, _ map[string]string) error {
	w.row("arithmetic", "windows", "positions", "mean NLL", "mean absolute difference per position", "worst window")
	any := false
	for _, arithmetic := range []string{"exact", "default"} {
		var nll, off []float64
		positions := 0
		for _, r := range rows {
			if r.Task == TaskFidelity && r.Arithmetic == arithmetic && r.NLLError != nil {
				nll, off, positions = append(nll, *r.NLL), append(off, *r.NLLError), positions+r.Positions
			}
		}
		if len(off) > 0 {
			any = true
			w.row(arithmetic, fmt.Sprint(len(off)), fmt.Sprint(positions), fmt.Sprintf("%.4f", mean(nll)), fmt.Sprintf("%.5f", mean(off)), fmt.Sprintf("%.5f", slices.Max(off)))
		}
	}
	if !any {
		return errNoRows
	}
	return nil
}

// A cellKey is a recipe at a budget.
type cellKey struct{ kv, keep string }

// pairing matches rows of this engine with those of the reference, sample by sample.
type pairing struct {
	recipes []string
	keeps   []string
	ours    map[cellKey][]*Row
	theirs  map[cellKey][]*Row // theirs[k][i] is of the same sample as ours[k][i]; nil: the reference has none
}

func paired(rows []Row, task string) *pairing {
	p := &pairing{ours: map[cellKey][]*Row{}, theirs: map[cellKey][]*Row{}}
	reference := map[string]*Row{}
	id := func(r *Row) string { return r.KV + " " + r.Keep + " " + r.sampleID() }
	for i := range rows {
		if r := &rows[i]; r.Task == task && r.Arithmetic == ReferenceArithmetic {
			reference[id(r)] = r
		}
	}
	for i := range rows {
		r := &rows[i]
		if r.Task != task || r.Arithmetic == ReferenceArithmetic {
			continue
		}
		k := cellKey{r.KV, r.Keep}
		if !slices.Contains(p.recipes, r.KV) {
			p.recipes = append(p.recipes, r.KV)
		}
		if r.Keep != "" && !slices.Contains(p.keeps, r.Keep) {
			p.keeps = append(p.keeps, r.Keep)
		}
		p.ours[k] = append(p.ours[k], r)
		p.theirs[k] = append(p.theirs[k], reference[id(r)])
	}
	slices.SortFunc(p.keeps, func(a, b string) int { return -compareShares(a, b) })
	return p
}

// compareShares orders shares by size: percentages before numbers of entries.
func compareShares(a, b string) int {
	var x, y float64
	fmt.Sscanf(a, "%g", &x)
	fmt.Sscanf(b, "%g", &y)
	switch {
	case x < y:
		return -1
	case x > y:
		return 1
	}
	return strings.Compare(a, b)
}

// means averages a figure over rows; ok is false where one lacks it.
func means(rows []*Row, of func(r *Row) *float64) (float64, bool) {
	var list []float64
	for _, r := range rows {
		if r == nil || of(r) == nil {
			return 0, false
		}
		list = append(list, *of(r))
	}
	if len(list) == 0 {
		return 0, false
	}
	return mean(list), true
}
