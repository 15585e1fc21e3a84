// Package plot draws charts as SVG: points and lines with error bars, and grids of shaded cells.
//
// A chart is drawn for a width in pixels at which its text has a readable size, so that a page can hold a wide and a narrow form. Colours
// come from a style sheet (Style) with light, dark and print forms; the same drawing stands in a page or, with File, alone. Equal charts
// give equal bytes.
package plot

import (
	"fmt"
	"html"
	"math"
	"strconv"
	"strings"
)

// Style is the style sheet of drawings, for a page that holds some.
var Style = `svg.plot{--ink:#1f2328;--soft:#59636e;--rule:#d1d9e0;--paper:#fff;--heat:#0969da;--k0:#0072b2;--k1:#c25100;--k2:#008060;--k3:#b5589a;--k4:#8a6a00;--k5:#2f8fc4;--k6:#6a3d9a;--k7:#6e7781;
display:block;width:100%;height:auto;font-family:system-ui,-apple-system,"Segoe UI",sans-serif}
@media (prefers-color-scheme:dark){svg.plot{--ink:#e6edf3;--soft:#9198a1;--rule:#3d444d;--paper:#0d1117;--heat:#58a6ff;--k0:#58aee8;--k1:#ff9a4d;--k2:#3fc99c;--k3:#e79bcb;--k4:#dbb140;--k5:#8fd0f5;--k6:#b796e8;--k7:#b1bac4}}
@media print{svg.plot{--ink:#000;--soft:#444;--rule:#ccc;--paper:#fff;--heat:#0969da;--k0:#0072b2;--k1:#c25100;--k2:#008060;--k3:#b5589a;--k4:#8a6a00;--k5:#2f8fc4;--k6:#6a3d9a;--k7:#6e7781}}
.plot text{fill:var(--ink);font-size:12px}.plot .soft{fill:var(--soft)}.plot .title{font-size:13px;font-weight:600}.plot .rule{stroke:var(--rule);stroke-width:1;fill:none}
.plot .front{stroke:var(--ink);stroke-width:1.5;stroke-dasharray:5 4;fill:none}.plot .ring{stroke:var(--ink);stroke-width:1.5;fill:none}.plot .heat{fill:var(--heat)}.plot .on{fill:var(--paper)}.plot .bar{opacity:.45}.plot .name{paint-order:stroke;stroke:var(--paper);stroke-width:3px;stroke-linejoin:round}
` + seriesStyle

var seriesStyle = func() string {
	var b strings.Builder
	for i := range colours {
		fmt.Fprintf(&b, ".plot .f%d{fill:var(--k%d)}.plot .s%d{stroke:var(--k%d);fill:none;stroke-width:1.5}", i, i, i, i)
	}
	return b.String() + "\n"
}()

// colours is the number of colours of series; series beyond it get other marks.
const colours = 8

// File makes a drawing a file of its own.
func File(svg string) string {
	head, rest, _ := strings.Cut(svg, ">")
	return head + "><style>" + Style + "svg.plot{background:var(--paper)}</style>" + rest + "\n"
}

// canvas collects a drawing.
type canvas struct {
	strings.Builder
	width, height float64
}

// done wraps what was drawn; label says to screen readers what is shown.
func (c *canvas) done(label string) string {
	return fmt.Sprintf(`<svg class="plot" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %s %s" role="img" aria-label="%s">`, num(c.width), num(c.height), html.EscapeString(label)) +
		c.String() + "</svg>"
}

// text writes a label; anchor is start, middle or end.
func (c *canvas) text(x, y float64, anchor, class, s string) {
	fmt.Fprintf(c, `<text x="%s" y="%s" text-anchor="%s"%s>%s</text>`, num(x), num(y), anchor, classed(class), html.EscapeString(s))
}

func classed(class string) string {
	if class == "" {
		return ""
	}
	return ` class="` + class + `"`
}

func (c *canvas) line(x1, y1, x2, y2 float64, class string) {
	fmt.Fprintf(c, `<path d="M%s %sL%s %s"%s/>`, num(x1), num(y1), num(x2), num(y2), classed(class))
}

// path draws a line through points.
func (c *canvas) path(xs, ys []float64, class string) {
	c.WriteString(`<path d="`)
	for i := range xs {
		command := "L"
		if i == 0 {
			command = "M"
		}
		c.WriteString(command + num(xs[i]) + " " + num(ys[i]))
	}
	c.WriteString(`"` + classed(class) + "/>")
}

// mark draws the i-th kind of mark, filled, with a text that shows when it is pointed at.
func (c *canvas) mark(i int, x, y, r float64, tip string) {
	class := "f" + strconv.Itoa(i%colours)
	shape := ""
	switch i / colours % 4 {
	case 0:
		shape = fmt.Sprintf(`<circle cx="%s" cy="%s" r="%s" class="%s"`, num(x), num(y), num(r), class)
	case 1:
		shape = fmt.Sprintf(`<rect x="%s" y="%s" width="%s" height="%s" class="%s"`, num(x-0.9*r), num(y-0.9*r), num(1.8*r), num(1.8*r), class)
	case 2:
		shape = fmt.Sprintf(`<path d="M%s %sL%s %sL%s %sZ" class="%s"`, num(x), num(y-1.2*r), num(x+1.1*r), num(y+0.8*r), num(x-1.1*r), num(y+0.8*r), class)
	case 3:
		shape = fmt.Sprintf(`<path d="M%s %sL%s %sL%s %sL%s %sZ" class="%s"`, num(x), num(y-1.3*r), num(x+1.3*r), num(y), num(x), num(y+1.3*r), num(x-1.3*r), num(y), class)
	}
	if tip == "" {
		c.WriteString(shape + "/>")
		return
	}
	c.WriteString(shape + "><title>" + html.EscapeString(tip) + "</title></" + strings.Fields(shape[1:])[0] + ">")
}

// num writes a coordinate.
func num(v float64) string {
	s := strconv.FormatFloat(math.Round(v*10)/10, 'f', -1, 64)
	if s == "-0" {
		return "0"
	}
	return s
}

// textWidth is about the width of a label of 12 pixels in the widest of the usual fonts.
func textWidth(s string) float64 {
	w := 0.0
	for _, r := range s {
		switch {
		case strings.ContainsRune("iljt.,:;|()'! ", r):
			w += 4.6
		case r >= 'A' && r <= 'Z' || strings.ContainsRune("mwMW%@+=_", r):
			w += 10
		default:
			w += 7.6
		}
	}
	return w
}

// wrap breaks a recipe or another long name into lines of at most about n characters, after signs that separate its parts.
func wrap(s string, n int) []string {
	var lines []string
	for len(s) > n {
		cut := strings.LastIndexAny(s[:n], ",+) ") + 1
		if cut < n/3 {
			cut = n
		}
		lines, s = append(lines, strings.TrimSpace(s[:cut])), s[cut:]
	}
	return append(lines, strings.TrimSpace(s))
}
