package eval

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// recipeFigures are the rows of one recipe at one budget, by what they tell.
type recipeFigures struct {
	fidelity, speed []*Row
	needles         map[string][]*Row // by mode
}

// first is any of them: a budget has the same bytes in all, but for the length of the context.
func (f *recipeFigures) first() *Row {
	for _, list := range [][]*Row{f.fidelity, f.needles[Hidden], f.needles[Visible], f.speed} {
		if len(list) > 0 {
			return list[0]
		}
	}
	return nil
}

// recipesTable is everything about every recipe at every budget in one line: bytes, distance from the full cache, needles with the question hidden and
// visible, and time. Times are those of the speed task, where each recipe reads its prompt alone; length= chooses among its lengths,
// the longest else. What was not measured stays empty. Rows of several models or arithmetics do not belong in one table.
func recipesTable(w *markdown, rows []Row, ask map[string]string) error {
	figures := map[cellKey]*recipeFigures{}
	var origin *Origin
	length, _ := strconv.Atoi(ask["length"])
	for i := range rows {
		if r := &rows[i]; r.Task == TaskSpeed && ask["length"] == "" {
			length = max(length, r.Length)
		}
	}
	for i := range rows {
		r := &rows[i]
		if r.Arithmetic == ReferenceArithmetic || r.Memory != "" {
			continue
		}
		k := cellKey{r.KV, r.Keep}
		f := figures[k]
		if f == nil {
			f = &recipeFigures{needles: map[string][]*Row{}}
		}
		switch {
		case r.Task == TaskFidelity && r.KLMean != nil && r.Top1 != nil:
			f.fidelity = append(f.fidelity, r)
		case r.Task == TaskNeedle && r.OK != nil:
			f.needles[r.Mode] = append(f.needles[r.Mode], r)
		case r.Task == TaskSpeed && r.Length == length:
			f.speed = append(f.speed, r)
		default:
			continue
		}
		figures[k] = f
		if origin == nil {
			origin = &r.Origin
		}
		if r.Digest != origin.Digest || r.Arithmetic != origin.Arithmetic {
			return fmt.Errorf("rows of several models or arithmetics: choose with model= and arithmetic=")
		}
	}
	if len(figures) == 0 {
		return errNoRows
	}
	keys := make([]cellKey, 0, len(figures))
	for k := range figures {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b cellKey) int {
		return cmp.Or(strings.Compare(a.kv, b.kv), -compareShares(a.keep, b.keep))
	})
	w.row("recipe", "keep", "cache, MiB", "of full", "KL", "top-1", "needle, hidden", "needle, visible", "first token, s", "tokens/s")
	windows, needles := 0, map[string]int{}
	for _, k := range keys {
		f := figures[k]
		windows = max(windows, len(f.fidelity))
		line := []string{code(k.kv), cmp.Or(k.keep, "all"), "", "", "", ""}
		sized := f.fidelity
		if len(sized) == 0 {
			sized = []*Row{f.first()}
		}
		line[2] = fmt.Sprintf("%.1f", meanBytes(sized))
		if full := sum(list(sized, func(r *Row) float64 { return float64(r.FullBytes) })); full > 0 {
			line[3] = fmt.Sprintf("%.1f%%", 100*sum(list(sized, func(r *Row) float64 { return float64(r.KVBytes) }))/full)
		}
		if len(f.fidelity) > 0 {
			line[4] = fmt.Sprintf("%.4f", mean(list(f.fidelity, func(r *Row) float64 { return *r.KLMean })))
			line[5] = fmt.Sprintf("%.3f", mean(list(f.fidelity, func(r *Row) float64 { return *r.Top1 })))
		}
		for _, mode := range []string{Hidden, Visible} {
			text, asked := "", f.needles[mode]
			if len(asked) > 0 {
				text = fmt.Sprintf("%.0f of %d, %.2f", sum(list(asked, exactly)), len(asked), mean(list(asked, rightShare)))
			}
			needles[mode] = max(needles[mode], len(asked))
			line = append(line, text)
		}
		first, perSecond := "", ""
		if len(f.speed) > 0 {
			first = fmt.Sprintf("%.2f", quantile(slices.Sorted(slices.Values(list(f.speed, func(r *Row) float64 { return r.FirstToken }))), 0.5))
			perSecond = fmt.Sprintf("%.1f", quantile(slices.Sorted(slices.Values(list(f.speed, func(r *Row) float64 { return r.TokensPerSecond }))), 0.5))
		}
		w.row(append(line, first, perSecond)...)
	}
	times := "times were not measured"
	if length > 0 {
		times = fmt.Sprintf("times at %d tokens, medians, each recipe alone", length)
	}
	w.text("Up to %d windows, %d needles with the question hidden and %d with it visible (all tokens right of how many; share of right tokens); %s.",
		windows, needles[Hidden], needles[Visible], times)
	return nil
}
