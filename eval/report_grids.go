package eval

import (
	"cmp"
	"fmt"
	"html/template"
	"math"
	"slices"
	"strconv"
	"strings"

	"pith/eval/plot"
)

// speedFigures show times and bytes against the length of the prompt.
func speedFigures(rows []Row) []figure {
	var speed []Row
	for _, r := range rows {
		if r.Task == TaskSpeed {
			speed = append(speed, r)
		}
	}
	if len(speed) == 0 {
		return nil
	}
	summaries := Summarise(speed)
	slices.SortStableFunc(summaries, func(a, b Summary) int { return cmp.Compare(a.Length, b.Length) })
	chart := func(name, title, axis, reading string, value func(s *Summary) float64) figure {
		c := plot.Chart{Label: title, X: "tokens of the prompt", Y: axis, LogX: true, LogY: true, Lines: true,
			FormatX: func(v float64) string { return strconv.Itoa(int(math.Round(v))) }}
		for i := range summaries {
			s := &summaries[i]
			who := s.KV + atBudget(s.Keep, s.Memory)
			at := slices.IndexFunc(c.Series, func(x plot.Series) bool { return x.Name == who })
			if at < 0 {
				at = len(c.Series)
				c.Series = append(c.Series, plot.Series{Name: who})
			}
			v := value(s)
			c.Series[at].Points = append(c.Series[at].Points, plot.Point{X: float64(s.Length), Y: v, Low: v, High: v,
				Tip: fmt.Sprintf("%s, %d tokens: %s", who, s.Length, plot.Number(v))})
		}
		wide := c.SVG(wideWidth)
		return figure{task: TaskSpeed, Title: title, Reading: reading, Caption: "Each recipe alone.", Wide: template.HTML(wide),
			Narrow: template.HTML(c.SVG(narrowWidth)), plots: map[string]string{name: wide}}
	}
	return []figure{
		chart("first-token", "Time to first token", "seconds", "How long the model reads before it answers. Recipes that look twice take longer; those that let only some tokens go on to deeper layers take less time than the full cache.",
			func(s *Summary) float64 { return s.FirstToken }),
		chart("speed", "Speed of the answer", "tokens per second", "How fast it writes once it has begun: a smaller cache is read faster at every step.",
			func(s *Summary) float64 { return s.TokensPerSecond }),
		chart("bytes", "Bytes of the cache", "MiB", "What the cache holds after the prompt, scales and positions included.",
			func(s *Summary) float64 { return float64(s.KVBytes) / (1 << 20) }),
	}
}

// maxGrids bounds the number of heat maps of one kind on a page.
const maxGrids = 72

// gridFigures are the heat maps of the needle test, length by depth, one for each case.
func gridFigures(rows []Row) []figure {
	type kind struct {
		mode   string
		digits int
	}
	var kinds []kind
	for _, r := range rows {
		if k := (kind{r.Mode, r.Digits}); r.Task == TaskNIAH && !slices.Contains(kinds, k) {
			kinds = append(kinds, k)
		}
	}
	var figures []figure
	for _, k := range kinds {
		var lengths []int
		var depths []float64
		var cases []string
		sum, count := map[string]float64{}, map[string]float64{}
		for _, r := range rows {
			if r.Task != TaskNIAH || r.Mode != k.mode || r.Digits != k.digits || r.Depth == nil || r.Score == nil {
				continue
			}
			who := r.KV + atBudget(r.Keep, r.Memory)
			lengths, depths, cases = with(lengths, r.Length), with(depths, *r.Depth), with(cases, who)
			id := fmt.Sprint(who, r.Length, *r.Depth)
			sum[id] += *r.Score
			count[id]++
		}
		slices.Sort(lengths)
		slices.Sort(depths)
		f := figure{task: TaskNIAH, Title: fmt.Sprintf("Where the number is found: %d digits, %s", k.digits, k.mode), plots: map[string]string{},
			Reading: "One map for each recipe: columns are lengths of the text, rows are places of the number in it, from the beginning (0%) to the end. Strong colour: found; pale: lost. Numbers are percent of the samples.",
			Caption: fmt.Sprintf("%d recipes and budgets.", len(cases))}
		for i, who := range cases[:min(len(cases), maxGrids)] {
			g := &plot.Grid{Title: who, Label: "needle found by " + who, X: "tokens", Y: "depth", High: 1, Numbers: true, Cell: 38, Squat: 24,
				Format: func(v float64) string { return strconv.Itoa(int(math.Round(100 * v))) }}
			for _, l := range lengths {
				g.Columns = append(g.Columns, thousandsShort(l))
			}
			for _, d := range depths {
				g.Rows = append(g.Rows, plot.Percent(d))
				line := make([]float64, len(lengths))
				for j, l := range lengths {
					id := fmt.Sprint(who, l, d)
					line[j] = math.NaN()
					if count[id] > 0 {
						line[j] = sum[id] / count[id]
					}
				}
				g.Cells = append(g.Cells, line)
			}
			f.add(fmt.Sprintf("niah-%s-%d-%02d", k.mode, k.digits, i+1), g)
		}
		figures = append(figures, f)
	}
	return figures
}

// with appends a value that is not there.
func with[T comparable](list []T, v T) []T {
	if slices.Contains(list, v) {
		return list
	}
	return append(list, v)
}

// thousandsShort writes 4096 as 4k and 6000 as 6000.
func thousandsShort(n int) string {
	if n >= 1024 && n%1024 == 0 {
		return strconv.Itoa(n/1024) + "k"
	}
	return strconv.Itoa(n)
}

// add draws a grid into a figure.
func (f *figure) add(name string, g *plot.Grid) {
	svg, width := g.SVG()
	f.Grids = append(f.Grids, gridHTML{Width: width, SVG: template.HTML(svg)})
	f.plots[name] = svg
}

// budgetFigures show how recipes distribute entries over layers and heads.
func budgetFigures(rows []Row) []figure {
	var seen, even []string
	f := figure{Title: "Who keeps how much: layers and heads", plots: map[string]string{},
		Reading: "One map for each recipe: a row is a layer, from the first at the top to the last, a column is a head. The stronger its colour, the larger the share of the text that this head still holds."}
	for _, r := range rows {
		who := r.KV + atBudget(r.Keep, r.Memory)
		if r.Kept == nil || r.KV == "full" || slices.Contains(seen, who) || len(f.Grids) >= maxGrids || r.Tokens == 0 {
			continue
		}
		seen = append(seen, who)
		if f.task == "" {
			f.task = r.Task
			f.Caption = fmt.Sprintf("From the first sample of %s, %d tokens.", r.Task, r.Tokens)
		}
		if all := slices.Concat(r.Kept...); slices.Max(all)-slices.Min(all) <= 1 {
			even = with(even, shortName(r.KV))
			continue
		}
		g := &plot.Grid{Title: who, Label: "entries kept by " + who, X: "head", Y: "layer", Low: 0, High: 1, Format: plot.Percent, Cell: 34, Squat: 9}
		for l, heads := range r.Kept {
			g.Rows = append(g.Rows, strconv.Itoa(l))
			line := make([]float64, len(heads))
			for h, n := range heads {
				line[h] = float64(n) / float64(r.Tokens)
				g.High = math.Max(g.High, line[h])
				if l == 0 {
					g.Columns = append(g.Columns, strconv.Itoa(h))
				}
			}
			g.Cells = append(g.Cells, line)
		}
		f.add(fmt.Sprintf("budget-%02d", len(f.Grids)+1), g)
	}
	if len(even) > 0 {
		f.Caption += " The same for every layer and head: " + strings.Join(even, ", ") + "."
	}
	if f.task == "" {
		return nil
	}
	return []figure{f}
}
