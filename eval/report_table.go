package eval

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"pith/eval/plot"
)

// table fills the page's table of results and its filters.
func (p *page) table(summary []Summary) {
	type field struct {
		name   string
		number bool
		filter bool
		cell   func(s *Summary) cell
	}
	text := func(v string) cell { return cell{Text: v} }
	number := func(v float64, shown string) cell {
		return cell{Text: shown, Sort: strconv.FormatFloat(v, 'g', 6, 64), Number: true}
	}
	interval := func(i *Interval) cell {
		if i == nil || i.N == 0 {
			return cell{Number: true}
		}
		return number(i.Mean, fmt.Sprintf("%s (%s to %s)", plot.Number(i.Mean), plot.Number(i.Low), plot.Number(i.High)))
	}
	fields := []field{
		{"model", false, true, func(s *Summary) cell { return text(s.Model + ", " + s.Arithmetic) }},
		{"task", false, true, func(s *Summary) cell { return text(s.Of) }},
		{"set", false, true, func(s *Summary) cell { return text(s.Set) }},
		{"mode", false, true, func(s *Summary) cell { return text(s.Mode) }},
		{"length", true, true, func(s *Summary) cell {
			if s.Length == 0 {
				return cell{Number: true}
			}
			return number(float64(s.Length), strconv.Itoa(s.Length))
		}},
		{"recipe", false, false, func(s *Summary) cell { return text(s.KV) }},
		{"keep", false, true, func(s *Summary) cell { return text(strings.TrimSpace(s.Keep + " " + s.Memory)) }},
		{"samples", true, false, func(s *Summary) cell { return number(float64(s.Samples), strconv.Itoa(s.Samples)) }},
		{"score", true, false, func(s *Summary) cell { return interval(&s.Score) }},
		{"measure", false, false, func(s *Summary) cell { return text(s.ScoreName) }},
		{"change", true, false, func(s *Summary) cell { return interval(s.Change) }},
		{"KL", true, false, func(s *Summary) cell { return interval(s.KL) }},
		{"NLL", true, false, func(s *Summary) cell { return interval(s.NLL) }},
		{"MiB", true, false, func(s *Summary) cell {
			return number(float64(s.KVBytes), plot.Number(float64(s.KVBytes)/(1<<20)))
		}},
		{"of full", true, false, func(s *Summary) cell { return number(share(s), plot.Percent(share(s))) }},
		{"first token, s", true, false, func(s *Summary) cell {
			shown := plot.Number(s.FirstToken)
			if s.Shared > 1 {
				shown = "≤ " + shown
			}
			return number(s.FirstToken, shown)
		}},
		{"tokens/s", true, false, func(s *Summary) cell { return number(s.TokensPerSecond, plot.Number(s.TokensPerSecond)) }},
		{"peak MiB", true, false, func(s *Summary) cell {
			if s.Peak == nil {
				return cell{Number: true}
			}
			v := float64(s.Peak.Anonymous+s.Peak.File) / (1 << 20)
			return number(v, plot.Number(v))
		}},
	}
	for _, f := range fields {
		p.Columns = append(p.Columns, column{f.name, f.number})
	}
	for i := range summary {
		line := make([]cell, len(fields))
		for j, f := range fields {
			line[j] = f.cell(&summary[i])
		}
		p.Lines = append(p.Lines, line)
	}
	for j, f := range fields {
		if !f.filter {
			continue
		}
		var values []string
		for _, line := range p.Lines {
			if v := line[j].Text; v != "" && !slices.Contains(values, v) {
				values = append(values, v)
			}
		}
		if len(values) > 1 {
			p.Filters = append(p.Filters, filter{f.name, j, values})
		}
	}
}
