package plot

import (
	"fmt"
	"html"
	"math"
)

// A Grid shows values as shaded cells, the darker the larger.
type Grid struct {
	Title   string
	Label   string // for screen readers
	X, Y    string
	Columns []string
	Rows    []string
	Cells   [][]float64 // [row][column], NaN where nothing was measured
	Low     float64     // shown blank
	High    float64     // shown full
	Format  func(v float64) string
	Numbers bool // written into the cells
	Cell    float64
	Squat   float64 // height of a cell; 0: as wide as high
}

// titleWidth is about the number of characters in a line of a grid's title.
const titleWidth = 24

// SVG draws the grid and returns its width in pixels too, which follows from the number of columns.
func (g *Grid) SVG() (svg string, width int) {
	format := g.Format
	if format == nil {
		format = Number
	}
	cell, high := g.Cell, g.Squat
	if cell == 0 {
		cell = 34
	}
	if high == 0 {
		high = cell
	}
	left := 8.0
	for _, r := range g.Rows {
		left = math.Max(left, textWidth(r)+12)
	}
	const lineHeight = 16.0
	title := wrap(g.Title, titleWidth)
	top := 28 + lineHeight*float64(len(title))
	v := &canvas{width: left + cell*float64(len(g.Columns)) + 6, height: top + high*float64(len(g.Rows)) + 36}
	for i, line := range title {
		v.width = math.Max(v.width, 1.25*textWidth(line)+10)
		v.text(4, 14+lineHeight*float64(i), "start", "title", line)
	}
	v.text(4, top-12, "start", "soft", g.Y)
	for i, row := range g.Cells {
		y := top + high*float64(i)
		if high >= 12 || i%5 == 0 {
			v.text(left-6, y+high/2+4, "end", "soft", g.Rows[i])
		}
		for j, value := range row {
			x := left + cell*float64(j)
			if math.IsNaN(value) {
				continue
			}
			shade := math.Min(math.Max((value-g.Low)/(g.High-g.Low), 0), 1)
			fmt.Fprintf(v, `<rect x="%s" y="%s" width="%s" height="%s" class="heat" fill-opacity="%s"><title>%s</title></rect>`, num(x+0.5), num(y+0.5), num(cell-1), num(high-1),
				Number(math.Round(100*(0.04+0.96*shade))/100), html.EscapeString(g.Rows[i]+", "+g.Columns[j]+": "+format(value)))
			if g.Numbers {
				class := ""
				if shade > 0.55 {
					class = "on"
				}
				v.text(x+cell/2, y+high/2+4, "middle", class, format(value))
			}
		}
	}
	bottom := top + high*float64(len(g.Rows))
	last := math.Inf(-1)
	for j, c := range g.Columns {
		x := left + cell*(float64(j)+0.5)
		if half := textWidth(c) / 2; x-half > last+2 {
			v.text(x, bottom+15, "middle", "soft", c)
			last = x + half
		}
	}
	v.text(left, bottom+31, "start", "soft", g.X)
	return v.done(g.Label), int(math.Ceil(v.width))
}
