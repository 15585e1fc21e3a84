package eval

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"pith/eval/plot"
	"pith/policy"
)

var (
	//go:embed page/report.html
	reportHTML string
	//go:embed page/report.css
	reportCSS string
	//go:embed page/report.js
	reportJS string
)

var reportTemplate = template.Must(template.New("report").Parse(reportHTML))

// reportName and plotsName are what WriteReport writes into a directory.
const (
	reportName = "report.html"
	plotsName  = "plots"
)

// page is what the template shows.
type page struct {
	Title, Date      string
	Rows             int
	Style, PlotStyle template.CSS
	Script           template.JS
	Findings         []string
	Subjects         []subject
	Filters          []filter
	Columns          []column
	Lines            [][]cell
	Recipes          []*policy.Method
	Commands         []string
}

// subject is one model in one arithmetic: rows of two of them are never in one figure.
type subject struct {
	Name    string
	Origin  []string
	Figures []figure
}

// figure is a chart in two widths or a row of grids, with what it needs to be understood and made again.
type figure struct {
	ID, Title, Reading, Caption string
	Wide, Narrow                template.HTML
	Grids                       []gridHTML
	Commands, Files             []string

	task  string
	plots map[string]string // by name of the file, without plots/
}

type gridHTML struct {
	Width int
	SVG   template.HTML
}

type filter struct {
	Name   string
	Column int
	Values []string
}

type column struct {
	Name   string
	Number bool
}

type cell struct {
	Text, Sort string
	Number     bool
}

// WriteReport makes report.html of rows, one page that needs nothing else, and its plots as files of their own, in dir.
func WriteReport(dir string, rows []Row, notes []Note) error {
	html, plots, err := Report(rows, notes)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(dir, plotsName), 0o755); err != nil {
		return fmt.Errorf("eval: report: %w", err)
	}
	for _, name := range slices.Sorted(maps.Keys(plots)) {
		if err := os.WriteFile(filepath.Join(dir, plotsName, name), []byte(plots[name]), 0o644); err != nil {
			return fmt.Errorf("eval: report: %w", err)
		}
	}
	// The page appears whole or not at all: somebody may be looking at the last one.
	temporary := filepath.Join(dir, "."+reportName+".part")
	if err := os.WriteFile(temporary, html, 0o644); err != nil {
		return fmt.Errorf("eval: report: %w", err)
	}
	if err := os.Rename(temporary, filepath.Join(dir, reportName)); err != nil {
		return fmt.Errorf("eval: report: %w", err)
	}
	return nil
}

// Report makes the page and its plots, by the names of their files. Equal rows and notes give equal bytes.
func Report(rows []Row, notes []Note) (html []byte, plots map[string]string, err error) {
	if len(rows) == 0 {
		return nil, nil, errors.New("eval: report: no rows")
	}
	p := page{Title: "pith evaluation", Rows: len(rows), Style: template.CSS(reportCSS), PlotStyle: template.CSS(plot.Style), Script: template.JS(reportJS)}
	plots = map[string]string{}
	var latest string
	for _, r := range rows {
		latest = max(latest, r.Time)
	}
	p.Date, _, _ = strings.Cut(latest, "T")
	subjects := bySubject(rows)
	for i, group := range subjects {
		s := newSubject(group)
		for j := range s.Figures {
			f := &s.Figures[j]
			f.ID = fmt.Sprintf("figure-%d-%d", i+1, j+1)
			f.Commands = commandsFor(notes, f.task)
			for _, name := range slices.Sorted(maps.Keys(f.plots)) {
				file := fmt.Sprintf("%d-%s.svg", i+1, name)
				plots[file] = plot.File(f.plots[name])
				f.Files = append(f.Files, plotsName+"/"+file)
			}
			if len(f.Files) > 2 { // of many grids the folder is enough
				f.Files = []string{plotsName + "/"}
			}
		}
		p.Subjects = append(p.Subjects, s)
		name := s.Name
		if len(subjects) == 1 { // the title says it
			name = ""
		}
		p.Findings = append(p.Findings, findings(group, name)...)
	}
	if len(p.Subjects) == 1 {
		p.Title = p.Subjects[0].Name + ": what compression costs and saves"
	}
	p.table(Summarise(rows))
	p.Recipes = methodsOf(rows)
	p.Commands = commandsFor(notes, "")
	var b bytes.Buffer
	if err := reportTemplate.Execute(&b, p); err != nil {
		return nil, nil, fmt.Errorf("eval: report: %w", err)
	}
	return b.Bytes(), plots, nil
}

// bySubject divides rows by model and arithmetic, in the order of their first rows.
func bySubject(rows []Row) [][]Row {
	var order []string
	groups := map[string][]Row{}
	for _, r := range rows {
		id := r.Digest + r.Arithmetic
		if groups[id] == nil {
			order = append(order, id)
		}
		groups[id] = append(groups[id], r)
	}
	out := make([][]Row, len(order))
	for i, id := range order {
		out[i] = groups[id]
	}
	return out
}

func newSubject(rows []Row) subject {
	o := rows[0].Origin
	s := subject{Name: o.Model}
	if s.Name == "" {
		s.Name = "model"
	}
	var machines []string
	for _, r := range rows {
		if r.Machine != "" && !slices.Contains(machines, r.Machine) {
			machines = append(machines, r.Machine)
		}
	}
	s.Origin = append(s.Origin, "arithmetic: "+o.Arithmetic)
	if o.Digest != "" {
		s.Origin = append(s.Origin, "file sha256 "+o.Digest[:min(16, len(o.Digest))]+"…")
	}
	s.Origin = append(s.Origin, "measured on "+strings.Join(machines, " and "))
	s.Figures = slices.Concat(qualityFigures(rows), speedFigures(rows), gridFigures(rows), budgetFigures(rows))
	return s
}

// methodsOf lists the registered methods that occur in recipes.
func methodsOf(rows []Row) []*policy.Method {
	found := map[string]*policy.Method{}
	for _, r := range rows {
		terms, err := policy.ParseTerms(r.KV)
		if err != nil {
			continue
		}
		for _, t := range terms {
			if m := policy.Lookup(t.Name); m != nil {
				found[t.Name] = m
			}
		}
	}
	var list []*policy.Method
	for _, name := range slices.Sorted(maps.Keys(found)) {
		list = append(list, found[name])
	}
	return list
}

// ReadNotes returns the notes of a journal's directory, none where it has none.
func ReadNotes(dir string) ([]Note, error) {
	data, err := os.ReadFile(filepath.Join(dir, notesName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("eval: %w", err)
	}
	var notes []Note
	for line := range bytes.Lines(data) {
		var n Note
		if json.Unmarshal(line, &n) == nil && len(n.Command) > 0 {
			notes = append(notes, n)
		}
	}
	return notes, nil
}

// commandsFor returns the command lines of runs that had a task, all for the empty one, each once.
func commandsFor(notes []Note, task string) []string {
	var out []string
	for _, n := range notes {
		if task != "" && !slices.ContainsFunc(n.Command, func(a string) bool {
			_, value, _ := strings.Cut("="+a, "=")
			if _, v, ok := strings.Cut(a, "="); ok {
				value = v
			}
			return slices.Contains(strings.Split(value, ","), task)
		}) {
			continue
		}
		words := make([]string, len(n.Command))
		for i, a := range n.Command {
			words[i] = shellWord(a)
		}
		if line := "pith " + strings.Join(words, " "); !slices.Contains(out, line) {
			out = append(out, line)
		}
	}
	return out
}

// shellWord quotes an argument for a shell where it must be.
func shellWord(s string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./,:=+%@", r)
	}
	if s != "" && strings.IndexFunc(s, func(r rune) bool { return !plain(r) }) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
