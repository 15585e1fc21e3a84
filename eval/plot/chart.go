package plot

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// A Chart shows series of points over two axes.
type Chart struct {
	Label      string // what is shown, for screen readers
	X, Y       string // titles of the axes
	LogX, LogY bool
	ShareY     bool                   // Y runs from 0 to 1
	Down       bool                   // the better, the lower Y: the front runs along the bottom
	FormatX    func(v float64) string // nil: Number
	FormatY    func(v float64) string
	Lines      bool // points of a series are joined
	Front      bool // the points that no other beats in both X (less) and Y (Down says) are marked and joined
	Series     []Series
	Level      *Level // a line across
}

// A Level is a value of Y that is marked across the chart.
type Level struct {
	Y    float64
	Name string
}

// A Series is named and has points in the order in which they are joined.
type Series struct {
	Name   string
	Points []Point
}

// A Point has a value with bounds; Low and High equal to Y draw no bar, nor do points of charts with more than eight series.
type Point struct {
	X, Y, Low, High float64
	Label           string // beside the point if it is on the front
	Tip             string
}

// Pareto reports which points no other beats: none has at most its X and a better Y, or a smaller X and a Y as good.
func Pareto(points []Point, down bool) []bool {
	front := make([]bool, len(points))
	for i, p := range points {
		front[i] = !math.IsNaN(p.Y)
		for j, q := range points {
			better, asGood := q.Y > p.Y, q.Y >= p.Y
			if down {
				better, asGood = q.Y < p.Y, q.Y <= p.Y
			}
			if i != j && (q.X <= p.X && better || q.X < p.X && asGood || j < i && q.X == p.X && q.Y == p.Y) {
				front[i] = false
			}
		}
	}
	return front
}

// SVG draws the chart for a width in pixels.
func (c *Chart) SVG(width int) string {
	v := &canvas{width: float64(width)}
	narrow := width < 520
	formatX, formatY := c.FormatX, c.FormatY
	if formatX == nil {
		formatX = Number
	}
	if formatY == nil {
		formatY = Number
	}
	plotHeight := 340.0
	if narrow {
		plotHeight = 280
	}
	var xs, ys []float64
	var all []Point
	for _, s := range c.Series {
		for _, p := range s.Points {
			xs, ys, all = append(xs, p.X), append(ys, p.Y, p.Low, p.High), append(all, p)
		}
	}
	if c.Level != nil {
		ys = append(ys, c.Level.Y)
	}
	top, left, right := 24.0, 50.0, v.width-12
	bottom := top + plotHeight
	x := newAxis(xs, c.LogX, left, right)
	y := newAxis(ys, c.LogY, bottom, top)
	if c.ShareY {
		y = shares(bottom, top)
	}
	v.text(4, 13, "start", "soft", c.Y)
	for _, t := range y.ticks(6) {
		v.line(left, y.at(t), right, y.at(t), "rule")
		v.text(left-6, y.at(t)+4, "end", "soft", formatY(t))
	}
	ticks := 9
	if narrow {
		ticks = 5
	}
	last := math.Inf(-1)
	for _, t := range x.ticks(ticks) {
		v.line(x.at(t), bottom, x.at(t), bottom+4, "rule")
		if half := textWidth(formatX(t)) / 2; x.at(t)-half > last+4 {
			v.text(math.Min(x.at(t), v.width-half), bottom+17, "middle", "soft", formatX(t))
			last = x.at(t) + half
		}
	}
	v.text((left+right)/2, bottom+34, "middle", "soft", c.X)
	if c.Level != nil {
		v.line(left, y.at(c.Level.Y), right, y.at(c.Level.Y), "front")
		v.text(right, y.at(c.Level.Y)-5, "end", "soft", c.Level.Name)
	}
	c.points(v, x, y, all)
	legend(v, c.Series, bottom+46)
	return v.done(c.Label)
}

// maxBars is the number of series up to which bars of error can be told apart.
const maxBars = 8

// points draws the series, and the front over them.
func (c *Chart) points(v *canvas, x, y *axis, all []Point) {
	for i, s := range c.Series {
		if c.Lines && len(s.Points) > 1 {
			var px, py []float64
			for _, p := range s.Points {
				px, py = append(px, x.at(p.X)), append(py, y.at(p.Y))
			}
			v.path(px, py, "s"+strconv.Itoa(i%colours))
		}
		for _, p := range s.Points {
			if p.Low < p.High && len(c.Series) <= maxBars {
				v.line(x.at(p.X), y.at(p.Low), x.at(p.X), y.at(p.High), "bar s"+strconv.Itoa(i%colours))
			}
		}
		for _, p := range s.Points {
			v.mark(i, x.at(p.X), y.at(p.Y), 4.5, p.Tip)
		}
	}
	if !c.Front {
		return
	}
	front := Pareto(all, c.Down)
	var chosen []Point
	for i, p := range all {
		if front[i] {
			chosen = append(chosen, p)
		}
	}
	sortByX(chosen)
	var px, py []float64
	labels := &labels{right: v.width, top: y.to, bottom: y.from, down: c.Down}
	if c.Level != nil {
		at, w := y.at(c.Level.Y), textWidth(c.Level.Name)
		labels.taken = append(labels.taken, [4]float64{x.to - w, at - 17, x.to, at})
		labels.lines = append(labels.lines, [4]float64{x.from, at - 1, x.to, at + 1})
	}
	for i, p := range chosen {
		if i > 0 {
			px, py = append(px, x.at(p.X)), append(py, y.at(chosen[i-1].Y))
		}
		px, py = append(px, x.at(p.X)), append(py, y.at(p.Y))
		labels.block(x.at(p.X), y.at(p.Y))
	}
	if len(px) > 1 {
		v.path(px, py, "front")
		for i := 1; i < len(px); i++ {
			labels.lines = append(labels.lines, [4]float64{min(px[i-1], px[i]) - 1, min(py[i-1], py[i]) - 1, max(px[i-1], px[i]) + 1, max(py[i-1], py[i]) + 1})
		}
	}
	for _, p := range chosen {
		fmt.Fprintf(v, `<circle cx="%s" cy="%s" r="8" class="ring"/>`, num(x.at(p.X)), num(y.at(p.Y)))
		labels.place(v, x.at(p.X), y.at(p.Y), p.Label)
	}
}

func sortByX(p []Point) {
	for i := range p {
		for j := i; j > 0 && p[j].X < p[j-1].X; j-- {
			p[j], p[j-1] = p[j-1], p[j]
		}
	}
}

// labels keeps texts off each other, off the points of the front and, where there is room, off the front itself.
type labels struct {
	right, top, bottom float64
	down               bool         // the front's free side is below
	taken              [][4]float64 // x0, y0, x1, y1
	lines              [][4]float64
}

func (l *labels) block(x, y float64) {
	l.taken = append(l.taken, [4]float64{x - 9, y - 9, x + 9, y + 9})
}

// place writes a text beside a point where there is room, on the side that is better than the front if it can be, else nowhere: the
// legend and the point's own text tell the same.
func (l *labels) place(v *canvas, x, y float64, s string) {
	w := textWidth(s)
	above := [][2]float64{{8, -10}, {-8 - w, -10}}
	below := [][2]float64{{8, 20}, {-8 - w, 20}}
	if l.down {
		above, below = below, above
	}
	places := slices.Concat(above, [][2]float64{{12, 4}, {-12 - w, 4}}, below, [][2]float64{{8, -24}, {-8 - w, 34}})
	for _, avoid := range [][][4]float64{slices.Concat(l.taken, l.lines), l.taken} {
		for _, at := range places {
			box := [4]float64{x + at[0], y + at[1] - 10, x + at[0] + w, y + at[1] + 3}
			if box[0] < 50 || box[2] > l.right || box[1] < l.top-8 || box[3] > l.bottom || slices.ContainsFunc(avoid, func(t [4]float64) bool {
				return box[0] < t[2] && t[0] < box[2] && box[1] < t[3] && t[1] < box[3]
			}) {
				continue
			}
			l.taken = append(l.taken, box)
			v.text(box[0], y+at[1], "start", "name", s)
			return
		}
	}
}

// legend names the series below the chart, in as many rows as it takes, and fixes the drawing's height.
func legend(v *canvas, series []Series, y float64) {
	x := 8.0
	y += 10
	for i, s := range series {
		name := s.Name
		for textWidth(name) > v.width-30 {
			name = strings.TrimSuffix(name, "…")
			name = name[:max(len(name)-2, 1)] + "…"
		}
		w := 22 + textWidth(name)
		if x+w > v.width && x > 8 {
			x, y = 8, y+19
		}
		v.mark(i, x+5, y-4, 4.5, s.Name)
		v.text(x+14, y, "start", "", name)
		x += w + 10
	}
	v.height = y + 10
}
