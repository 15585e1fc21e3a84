package eval

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
)

// fidelityTable is recipes by budgets: mean KL, in brackets the reference's on the same windows, top-1 agreement and bytes. Only windows
// that the reference has count where it has any.
func fidelityTable(w *markdown, rows []Row, ask map[string]string) error {
	p := paired(rows, TaskFidelity)
	if ask["reference"] == "no" {
		p.theirs = map[cellKey][]*Row{}
	}
	kl := func(r *Row) *float64 { return r.KLMean }
	pairs, above := 0, 0
	windows := map[string]bool{}
	cells := map[cellKey]string{}
	order := map[string]float64{}
	for k, ours := range p.ours {
		if k.keep == "" {
			continue
		}
		theirs := p.theirs[k]
		if slices.ContainsFunc(theirs, func(r *Row) bool { return r != nil }) {
			ours, theirs = both(ours, theirs)
		} else {
			theirs = nil
		}
		m, ok := means(ours, kl)
		if !ok {
			continue
		}
		for _, r := range ours {
			windows[r.sampleID()] = true
		}
		text := fmt.Sprintf("%.4f", m)
		if ref, ok := means(theirs, kl); ok {
			text += fmt.Sprintf(" (%.4f)", ref)
			for i := range ours {
				pairs++
				if *ours[i].KLMean > max(1.05**theirs[i].KLMean, *theirs[i].KLMean+0.005) {
					above++
				}
			}
		}
		top, _ := means(ours, func(r *Row) *float64 { return r.Top1 })
		cells[k] = fmt.Sprintf("%s, %.3f, %.1f MiB", text, top, meanBytes(ours))
		if len(p.keeps) > 0 && k.keep == p.keeps[len(p.keeps)/2] {
			order[k.kv] = m
		}
	}
	if len(cells) == 0 {
		return errNoRows
	}
	recipes := slices.DeleteFunc(slices.Clone(p.recipes), func(kv string) bool {
		return !slices.ContainsFunc(p.keeps, func(keep string) bool { return cells[cellKey{kv, keep}] != "" })
	})
	slices.SortStableFunc(recipes, func(a, b string) int { return cmp.Compare(order[a], order[b]) })
	w.row(append([]string{"recipe"}, p.keeps...)...)
	for _, kv := range recipes {
		line := []string{code(kv)}
		for _, keep := range p.keeps {
			line = append(line, cells[cellKey{kv, keep}])
		}
		w.row(line...)
	}
	if ask["reference"] == "no" {
		short := 0
		for k := range cells {
			if len(p.ours[k]) < len(windows) {
				short++
			}
		}
		w.text("%d windows; %d cells lack some of them.", len(windows), short)
	}
	if pairs > 0 {
		w.text("%d pairs of recipe, budget and window; %d of them above the larger of 1.05 times and 0.005 more than the reference's mean KL.", pairs, above)
	}
	return nil
}

// both leaves the rows that have a partner.
func both(ours, theirs []*Row) (a, b []*Row) {
	for i, r := range theirs {
		if r != nil {
			a, b = append(a, ours[i]), append(b, r)
		}
	}
	return a, b
}

func meanBytes(rows []*Row) float64 {
	var sum float64
	for _, r := range rows {
		sum += float64(r.KVBytes)
	}
	return sum / float64(len(rows)) / (1 << 20)
}

// leastPairs is the number of samples from which a cell of the reference is compared; below it is a hint.
const leastPairs = 5

// needleTable is recipes at budgets, ours beside the reference on the same samples, with the difference of the share of right tokens
// and its 95% bounds. reference=no shows all samples alone.
func needleTable(w *markdown, rows []Row, ask map[string]string) error {
	p := paired(rows, TaskNeedle)
	alone := ask["reference"] == "no"
	if alone {
		w.row("recipe", "keep", "n", "exact (95%)", "right tokens (95%)", "NLL", "cache, MiB")
	} else {
		w.row("recipe", "keep", "n", "exact", "reference", "right tokens", "reference", "NLL", "reference", "difference of right tokens (95%)", "disagree")
	}
	lines, pairs, below := 0, 0, []string{}
	for _, kv := range p.recipes {
		for _, keep := range append([]string{""}, p.keeps...) {
			ours, theirs := p.ours[cellKey{kv, keep}], p.theirs[cellKey{kv, keep}]
			if !alone {
				ours, theirs = both(ours, theirs)
				if len(ours) < leastPairs {
					continue
				}
			}
			if len(ours) == 0 {
				continue
			}
			lines++
			pairs += len(ours)
			line := []string{code(kv), cmp.Or(keep, "all"), fmt.Sprint(len(ours))}
			if alone {
				exact, right := Bootstrap(list(ours, exactly)), Bootstrap(list(ours, rightShare))
				nll := mean(list(ours, func(r *Row) float64 { return *r.NLL }))
				w.row(append(line, bounds(exact), bounds(right), fmt.Sprintf("%.3f", nll), fmt.Sprintf("%.1f", meanBytes(ours)))...)
				continue
			}
			apart, disagree := make([]float64, len(ours)), 0
			for i := range ours {
				apart[i] = rightShare(ours[i]) - rightShare(theirs[i])
				if *ours[i].OK != *theirs[i].OK {
					disagree++
				}
			}
			d := Bootstrap(apart)
			if zero(d.High) < 0 { // shares of the reference are rounded to five digits
				below = append(below, code(kv)+" at "+keep)
			}
			nll := func(r *Row) float64 { return *r.NLL }
			w.row(append(line, fmt.Sprintf("%.0f", sum(list(ours, exactly))), fmt.Sprintf("%.0f", sum(list(theirs, exactly))),
				fmt.Sprintf("%.3f", mean(list(ours, rightShare))), fmt.Sprintf("%.3f", mean(list(theirs, rightShare))),
				fmt.Sprintf("%.3f", mean(list(ours, nll))), fmt.Sprintf("%.3f", mean(list(theirs, nll))),
				fmt.Sprintf("%+.3f (%+.3f to %+.3f)", zero(d.Mean), zero(d.Low), zero(d.High)), fmt.Sprint(disagree))...)
		}
	}
	if lines == 0 {
		return errNoRows
	}
	if !alone {
		what := "none"
		if len(below) > 0 {
			what = strings.Join(below, ", ")
		}
		w.text("%d pairs. Below the reference by more than the sampling error: %s.", pairs, what)
	}
	return nil
}

// agreementTable counts, recipe by recipe over all budgets and modes, on how many prompts ours and the reference's answer are alike.
func agreementTable(w *markdown, rows []Row, _ map[string]string) error {
	p := paired(rows, TaskNeedle)
	w.row("recipe", "pairs", "exact", "reference", "disagree", "right tokens", "reference", "mean absolute difference of NLL", "largest")
	line := func(name string, ours, theirs []*Row) {
		apart, disagree := make([]float64, len(ours)), 0
		for i := range ours {
			apart[i] = math.Abs(*ours[i].NLL - *theirs[i].NLL)
			if *ours[i].OK != *theirs[i].OK {
				disagree++
			}
		}
		w.row(name, fmt.Sprint(len(ours)), fmt.Sprintf("%.0f", sum(list(ours, exactly))), fmt.Sprintf("%.0f", sum(list(theirs, exactly))), fmt.Sprint(disagree),
			fmt.Sprintf("%.3f", mean(list(ours, rightShare))), fmt.Sprintf("%.3f", mean(list(theirs, rightShare))), fmt.Sprintf("%.4f", mean(apart)), fmt.Sprintf("%.4f", slices.Max(apart)))
	}
	var all, others []*Row
	for _, kv := range p.recipes {
		var ours, theirs []*Row
		for k := range p.ours {
			if k.kv == kv {
				a, b := both(p.ours[k], p.theirs[k])
				ours, theirs = append(ours, a...), append(theirs, b...)
			}
		}
		if len(ours) > 0 {
			sortPairs(ours, theirs)
			line(code(kv), ours, theirs)
			all, others = append(all, ours...), append(others, theirs...)
		}
	}
	if len(all) == 0 {
		return errNoRows
	}
	line("all", all, others)
	return nil
}

// sortPairs puts pairs in a fixed order, so that sums have the same rounding in every run.
func sortPairs(ours, theirs []*Row) {
	order := make([]int, len(ours))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return strings.Compare(ours[a].identity(), ours[b].identity()) })
	a, b := slices.Clone(ours), slices.Clone(theirs)
	for i, at := range order {
		ours[i], theirs[i] = a[at], b[at]
	}
}

func exactly(r *Row) float64 {
	if r.OK != nil && *r.OK {
		return 1
	}
	return 0
}

func rightShare(r *Row) float64 {
	if r.Frac == nil {
		return 0
	}
	return *r.Frac
}

func list(rows []*Row, of func(r *Row) float64) []float64 {
	v := make([]float64, len(rows))
	for i, r := range rows {
		v[i] = of(r)
	}
	return v
}

func sum(v []float64) float64 { return mean(v) * float64(len(v)) }

// zero makes what rounds to nothing a plain 0, without a sign that would mean nothing.
func zero(v float64) float64 {
	if math.Abs(v) < 5e-4 {
		return 0
	}
	return v
}

func bounds(i Interval) string { return fmt.Sprintf("%.2f (%.2f to %.2f)", i.Mean, i.Low, i.High) }

// scoresTable is sets by lengths for one task: mean score, bounds and number of samples; the last line is the mean over sets.
func scoresTable(w *markdown, rows []Row, ask map[string]string) error {
	kv := cmp.Or(ask["kv"], "full")
	var lengths []int
	var sets []string
	for _, r := range rows {
		if r.KV != kv || r.Score == nil || r.Arithmetic == ReferenceArithmetic {
			continue
		}
		if !slices.Contains(lengths, r.Length) {
			lengths = append(lengths, r.Length)
		}
		if !slices.Contains(sets, r.Set) {
			sets = append(sets, r.Set)
		}
	}
	if len(lengths) == 0 {
		return errNoRows
	}
	slices.Sort(lengths)
	slices.Sort(sets)
	header := []string{cmp.Or(ask["task"], "set")}
	for _, n := range lengths {
		header = append(header, fmt.Sprintf("%d tokens", n))
	}
	w.row(header...)
	scores := func(set string, length int) []float64 {
		var list []float64
		for _, r := range rows {
			if r.KV == kv && r.Score != nil && r.Arithmetic != ReferenceArithmetic && r.Length == length && (set == "" || r.Set == set) {
				list = append(list, *r.Score)
			}
		}
		return list
	}
	line := func(name, set string) {
		cells := []string{name}
		for _, n := range lengths {
			text := ""
			if v := scores(set, n); len(v) > 0 {
				text = fmt.Sprintf("%s, n=%d", bounds(Bootstrap(v)), len(v))
				if len(v) == 1 { // one sample has no interval
					text = fmt.Sprintf("%.2f, n=1", v[0])
				}
			}
			cells = append(cells, text)
		}
		w.row(cells...)
	}
	for _, s := range sets {
		if s != "" {
			line(code(s), s)
		}
	}
	line("all", "")
	return nil
}

// costsTable is the summary of one task: score, bytes, time and memory of every recipe at its budgets.
func costsTable(w *markdown, rows []Row, _ map[string]string) error {
	summary := Summarise(slices.DeleteFunc(slices.Clone(rows), func(r Row) bool { return r.Arithmetic == ReferenceArithmetic }))
	if len(summary) == 0 {
		return errNoRows
	}
	w.row("recipe", "keep", "length", "n", "cache, MiB", "of full", "first token, s", "tokens/s", "peak resident, MiB")
	for _, s := range summary {
		peak := ""
		if s.Peak != nil {
			peak = fmt.Sprintf("%.0f + %.0f", float64(s.Peak.Anonymous)/(1<<20), float64(s.Peak.File)/(1<<20))
		}
		w.row(code(s.KV), cmp.Or(s.Keep, "all"), fmt.Sprint(s.Length), fmt.Sprint(s.Samples), fmt.Sprintf("%.1f", float64(s.KVBytes)/(1<<20)),
			fmt.Sprintf("%.1f%%", 100*float64(s.KVBytes)/float64(max(s.FullBytes, 1))), fmt.Sprintf("%.1f", s.FirstToken), fmt.Sprintf("%.1f", s.TokensPerSecond), peak)
	}
	return nil
}
