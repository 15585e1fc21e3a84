package main

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"golang.org/x/term"
)

// writeJSON writes one value, indented, without escaping what HTML would want escaped.
func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// table is a result with named columns.
type table struct {
	header []string
	rows   [][]string
	right  map[int]bool // columns of numbers
}

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

// widths are the columns' widths in characters.
func (t *table) widths() []int {
	width := make([]int, len(t.header))
	for _, row := range append([][]string{t.header}, t.rows...) {
		for i, cell := range row {
			width[i] = max(width[i], utf8.RuneCountInString(cell))
		}
	}
	return width
}

// pad fills a cell to its column's width.
func (t *table) pad(cell string, column, width int) string {
	space := strings.Repeat(" ", width-utf8.RuneCountInString(cell))
	if t.right[column] {
		return space + cell
	}
	return cell + space
}

// plain writes columns two spaces apart.
func (t *table) plain(w io.Writer) error {
	out := bufio.NewWriter(w)
	width := t.widths()
	for _, row := range append([][]string{t.header}, t.rows...) {
		var line strings.Builder
		for i, cell := range row {
			line.WriteString(t.pad(cell, i, width[i]) + "  ")
		}
		fmt.Fprintln(out, strings.TrimRight(line.String(), " "))
	}
	return out.Flush()
}

// markdown writes a table in GitHub's form.
func (t *table) markdown(w io.Writer) error {
	out := bufio.NewWriter(w)
	width := t.widths()
	line := func(row []string) {
		for i, cell := range row {
			fmt.Fprintf(out, "| %s ", t.pad(cell, i, width[i]))
		}
		fmt.Fprintln(out, "|")
	}
	line(t.header)
	rule := make([]string, len(t.header))
	for i := range rule {
		rule[i] = strings.Repeat("-", width[i])
		if t.right[i] {
			rule[i] = rule[i][:max(width[i]-1, 0)] + ":"
		}
	}
	line(rule)
	for _, row := range t.rows {
		line(row)
	}
	return out.Flush()
}

// csv writes comma-separated values.
func (t *table) csv(w io.Writer) error {
	out := csv.NewWriter(w)
	if err := out.WriteAll(append([][]string{t.header}, t.rows...)); err != nil {
		return err
	}
	out.Flush()
	return out.Error()
}

// bytesText writes a number of bytes for people, in binary units.
func bytesText(n int64) string {
	const units = "KMGTPE"
	if n < 1<<10 {
		return fmt.Sprintf("%d B", n)
	}
	v, u := float64(n)/(1<<10), 0
	for v >= 1000 && u < len(units)-1 {
		v, u = v/(1<<10), u+1
	}
	return fmt.Sprintf("%.*f %ciB", decimals(v), v, units[u])
}

// decimals gives three significant digits.
func decimals(v float64) int {
	switch {
	case v >= 100:
		return 0
	case v >= 10:
		return 1
	}
	return 2
}

// countText writes a count of parameters for people: 135 M, 1.24 B.
func countText(n int64) string {
	for _, u := range []struct {
		size float64
		name string
	}{{1e12, "T"}, {1e9, "B"}, {1e6, "M"}, {1e3, "K"}} {
		if v := float64(n) / u.size; v >= 1 {
			return fmt.Sprintf("%.*f %s", decimals(v), v, u.name)
		}
	}
	return fmt.Sprint(n)
}

// thousands writes a count with separators: 4,096.
func thousands(n int) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// isTerminal reports whether f is a terminal.
func isTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }

// dim returns the escape sequences around less important text; empty where NO_COLOR is set or f is no terminal.
func dim(f *os.File) (on, off string) {
	if os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb" || !isTerminal(f) {
		return "", ""
	}
	return "\x1b[2m", "\x1b[0m"
}
