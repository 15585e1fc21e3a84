package eval

import (
	"fmt"
	"html/template"
	"math"
	"slices"
	"strings"

	"pith/eval/plot"
	"pith/policy"
)

// wideWidth and narrowWidth are the widths that charts are drawn for.
const (
	wideWidth   = 920
	narrowWidth = 350
)

// panel is what one chart of quality against bytes shows: a task in one mode at one length, all its sets together.
type panel struct {
	task, mode string
	length     int
	cases      []Summary
}

// panels condenses rows into charts. Speed has charts of its own.
func panels(rows []Row) []panel {
	whole := slices.Clone(rows)
	for i := range whole {
		if whole[i].Set != "" && whole[i].Sample != nil { // a sample of another set is another sample
			whole[i].Input = whole[i].Set + " " + whole[i].Input
		}
		whole[i].Set = ""
	}
	var list []panel
	for _, s := range Summarise(whole) {
		if s.Of == TaskSpeed || s.Score.N == 0 && s.KL == nil {
			continue
		}
		i := slices.IndexFunc(list, func(p panel) bool { return p.task == s.Of && p.mode == s.Mode && p.length == s.Length })
		if i < 0 {
			i = len(list)
			list = append(list, panel{task: s.Of, mode: s.Mode, length: s.Length})
		}
		list[i].cases = append(list[i].cases, s)
	}
	return list
}

// quality is the figure by which a case is judged in a panel.
func (p *panel) quality(s *Summary) Interval {
	if p.task == TaskFidelity && s.KL != nil {
		return *s.KL
	}
	return s.Score
}

// lower reports whether less is better.
func (p *panel) lower() bool { return p.task == TaskFidelity || p.task == TaskPerplexity }

func share(s *Summary) float64 { return float64(s.KVBytes) / math.Max(float64(s.FullBytes), 1) }

// titles says what each task's chart shows and how to read it.
var titles = map[string][3]string{ // title, axis, reading
	TaskFidelity: {"Closeness to the full cache", "KL from the full cache, lower is better",
		"The model reads a text, the recipe drops entries, and the model predicts what follows. Each point tells how far these predictions move from those of the full cache. Left is smaller, down is closer: the best recipes lie at the lower left."},
	TaskPerplexity: {"Perplexity of what follows", "perplexity, lower is better",
		"How well the model predicts the continuation of a text from what was kept. Left is smaller, down is better."},
	TaskNeedle: {"Finding a hidden fact", "answers without a wrong token",
		"A single fact is hidden in a long text and asked for. An answer counts if every token of it is the model's first choice. Left is smaller, up is better."},
	TaskNIAH: {"A number hidden in a book", "answers found",
		"A number stands somewhere in a long text and is asked for; the model answers in its own words. Left is smaller, up is better."},
	TaskRULER: {"RULER", "mean score of the tasks",
		"Needles among needles, chains of variables, counted words and questions about paragraphs; the share of right answers, averaged over the tasks. Left is smaller, up is better."},
	TaskLongBench: {"LongBench", "mean score of the sets",
		"Questions, summaries, classification and code over long documents, each by the benchmark's own metric, averaged over the sets. Left is smaller, up is better."},
}

func qualityFigures(rows []Row) []figure {
	var figures []figure
	for _, p := range panels(rows) {
		figures = append(figures, p.figure())
	}
	return figures
}

func (p *panel) name() string {
	name := p.task
	if p.mode != "" {
		name += "-" + p.mode
	}
	if p.length > 0 {
		name += fmt.Sprintf("-%d", p.length)
	}
	return name
}

func (p *panel) figure() figure {
	words, ok := titles[p.task]
	if !ok {
		words = [3]string{p.task, "score", "Left is smaller, up is better."}
	}
	title := words[0]
	switch p.mode {
	case Hidden:
		title += ", question hidden from the recipe"
	case Visible:
		title += ", question seen by the recipe"
	case VisibleAll:
		title += ", whole prompt seen by the recipe"
	}
	if p.length > 0 {
		title += fmt.Sprintf(", %d tokens", p.length)
	}
	c := plot.Chart{Label: title, X: "cache bytes, of the full cache", Y: words[1], LogX: true, FormatX: plot.Percent, Lines: true, Front: true, Down: p.lower(),
		LogY: p.task == TaskFidelity, ShareY: !p.lower()}
	if c.ShareY {
		c.FormatY = plot.Percent
	}
	samples := 0
	for i := range p.cases {
		s := &p.cases[i]
		q := p.quality(s)
		samples = max(samples, q.N)
		if s.KV == "full" {
			if p.task != TaskFidelity {
				c.Level = &plot.Level{Y: q.Mean, Name: "full cache"}
			}
			continue
		}
		at := slices.IndexFunc(c.Series, func(x plot.Series) bool { return x.Name == s.KV })
		if at < 0 {
			at = len(c.Series)
			c.Series = append(c.Series, plot.Series{Name: s.KV})
		}
		tip := fmt.Sprintf("%s%s: %s (%s to %s), %s of the bytes", s.KV, atBudget(s.Keep, s.Memory), plot.Number(q.Mean), plot.Number(q.Low), plot.Number(q.High), plot.Percent(share(s)))
		point := plot.Point{X: share(s), Y: q.Mean, Low: q.Low, High: q.High, Label: strings.Join(strings.Fields(shortName(s.KV)+" "+s.Keep+" "+s.Memory), " "), Tip: tip}
		if p.task == TaskFidelity { // a logarithmic axis has no 0
			point.Y, point.Low, point.High = max(q.Mean, 1e-6), max(q.Low, 1e-6), max(q.High, 1e-6)
		}
		c.Series[at].Points = append(c.Series[at].Points, point)
	}
	for _, s := range c.Series {
		slices.SortStableFunc(s.Points, func(a, b plot.Point) int {
			if a.X < b.X {
				return -1
			}
			return 1
		})
	}
	wide := c.SVG(wideWidth)
	return figure{task: p.task, Title: title, Reading: words[2], Wide: template.HTML(wide), Narrow: template.HTML(c.SVG(narrowWidth)),
		Caption: fmt.Sprintf("%s. Bars, where there are few recipes, are 95%% bounds; the table has all of them. Ringed: the Pareto front.", countOf(samples, "sample")),
		plots:   map[string]string{p.name(): wide}}
}

func countOf(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}

// shortName is a recipe's methods without their parameters.
func shortName(kv string) string {
	terms, err := policy.ParseTerms(kv)
	if err != nil {
		return kv
	}
	names := make([]string, len(terms))
	for i, t := range terms {
		names[i] = t.Name
	}
	return strings.Join(names, "+")
}

// findings are sentences about the best recipe at each budget of each panel. Where too few samples were taken, nothing was found or
// many are alike, there is nothing to say.
func findings(rows []Row, model string) []string {
	var out []string
	for _, p := range panels(rows) {
		var keeps []string
		for _, s := range p.cases {
			if s.Keep != "" {
				keeps = with(keeps, s.Keep)
			}
		}
		var parts []string
		for _, keep := range keeps {
			best, alike, of := p.best(keep)
			if of < 2 || len(alike) > 3 || p.quality(best).N < minFindings || !p.lower() && p.quality(best).Mean == 0 {
				continue
			}
			value := plot.Percent(p.quality(best).Mean)
			if p.lower() {
				value = plot.Number(p.quality(best).Mean)
			}
			parts = append(parts, fmt.Sprintf("at %s %s (%s, %s of the bytes)", keep, strings.Join(alike, " and "), value, plot.Percent(share(best))))
		}
		if len(parts) > 0 {
			title := titles[p.task][0]
			what := strings.ToLower(title[:1]) + title[1:]
			if p.task == TaskRULER || p.task == TaskLongBench {
				what = title
			}
			if p.mode != "" {
				what += ", " + p.mode
			}
			if p.length > 0 {
				what += fmt.Sprintf(", %d tokens", p.length)
			}
			if model == "" {
				what = strings.ToUpper(what[:1]) + what[1:]
			} else {
				what = model + ", " + what
			}
			out = append(out, fmt.Sprintf("%s: best %s.", what, strings.Join(parts, ", ")))
		}
	}
	return out
}

// minFindings is the number of samples from which on a mean is put into words.
const minFindings = 3

// best is the case that keeps so much and does best, the names of all that do as well, and of how many.
func (p *panel) best(keep string) (best *Summary, alike []string, of int) {
	for i := range p.cases {
		s := &p.cases[i]
		if s.Keep != keep {
			continue
		}
		of++
		if best == nil {
			best, alike = s, []string{shortName(s.KV)}
			continue
		}
		a, b := p.quality(s).Mean, p.quality(best).Mean
		switch {
		case p.lower() && a < b || !p.lower() && a > b:
			best, alike = s, []string{shortName(s.KV)}
		case a == b:
			alike = append(alike, shortName(s.KV))
		}
	}
	return best, alike, of
}
