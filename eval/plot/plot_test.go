package plot

import (
	"encoding/xml"
	"errors"
	"io"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

func testChart(series int) *Chart {
	c := &Chart{Label: "KL against bytes", X: "bytes", Y: "KL", LogX: true, LogY: true, Down: true, Lines: true, Front: true, FormatX: Percent}
	for i := range series {
		s := Series{Name: "method<" + strconv.Itoa(i) + ">(window=64,kernel=5)+adakv(alpha=0.2)"}
		for j := 1; j <= 3; j++ {
			y := float64(i+1) * 0.1 / float64(j)
			s.Points = append(s.Points, Point{X: 0.1 * float64(j), Y: y, Low: 0.8 * y, High: 1.3 * y, Label: "m" + strconv.Itoa(i), Tip: "a & b"})
		}
		c.Series = append(c.Series, s)
	}
	return c
}

// wellFormed parses a drawing and checks that every text begins and every mark lies within it.
func wellFormed(t *testing.T, svg string) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(svg))
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("%v in %.200s", err, svg)
		}
	}
	box := regexp.MustCompile(`viewBox="0 0 ([\d.]+) ([\d.]+)"`).FindStringSubmatch(svg)
	width, _ := strconv.ParseFloat(box[1], 64)
	height, _ := strconv.ParseFloat(box[2], 64)
	for _, m := range regexp.MustCompile(`<(?:text|rect) x="(-?[\d.]+)" y="(-?[\d.]+)"|<circle cx="(-?[\d.]+)" cy="(-?[\d.]+)"`).FindAllStringSubmatch(svg, -1) {
		x, _ := strconv.ParseFloat(m[1]+m[3], 64)
		y, _ := strconv.ParseFloat(m[2]+m[4], 64)
		if x < 0 || x > width || y < 0 || y > height {
			t.Errorf("%s lies outside %s x %s", m[0], box[1], box[2])
		}
	}
	if strings.Contains(svg, "NaN") || strings.Contains(svg, "Inf") {
		t.Error("a coordinate is no number")
	}
}

func TestDrawingsAreWellFormedAndWithinTheirBox(t *testing.T) {
	for _, n := range []int{0, 1, 3, 20} {
		for _, width := range []int{340, 760} {
			c := testChart(n)
			wellFormed(t, c.SVG(width))
			wellFormed(t, File(c.SVG(width)))
			if c.SVG(width) != testChart(n).SVG(width) {
				t.Error("equal charts differ")
			}
			c.ShareY, c.LogY, c.Level = true, false, &Level{0.97, "full cache"}
			wellFormed(t, c.SVG(width))
		}
	}
	odd := &Chart{Series: []Series{{"x", []Point{{X: 0, Y: 0}, {X: 1, Y: 0}}}}, LogX: true, LogY: true, Lines: true}
	wellFormed(t, odd.SVG(340))
	for _, g := range []*Grid{{}, {Title: "t<", Rows: []string{"0%", "100%"}, Columns: []string{"1k", "2k"}, Cells: [][]float64{{1, 0}, {math.NaN(), 0.5}}, High: 1, Numbers: true}} {
		svg, width := g.SVG()
		wellFormed(t, svg)
		if width < 10 {
			t.Errorf("a width of %d", width)
		}
	}
}

func TestParetoFront(t *testing.T) {
	points := []Point{{X: 1, Y: 5}, {X: 2, Y: 4}, {X: 2, Y: 6}, {X: 3, Y: 7}, {X: 4, Y: 7}, {X: 3, Y: 7}, {X: 0.5, Y: math.NaN()}}
	if got := Pareto(points, false); !slices.Equal(got, []bool{true, false, true, true, false, false, false}) {
		t.Errorf("up: %v", got)
	}
	if got := Pareto(points[:4], true); !slices.Equal(got, []bool{true, true, false, false}) {
		t.Errorf("down: %v", got)
	}
}

func TestTicksAreRoundAndWithinTheAxis(t *testing.T) {
	for _, c := range []struct {
		values []float64
		log    bool
	}{{[]float64{0, 1}, false}, {[]float64{3.2, 3.3}, false}, {[]float64{0.001, 0.9}, true}, {[]float64{5, 6}, true}, {[]float64{1e-9, 1e9}, true}, {[]float64{2}, true}, {nil, false}} {
		a := newAxis(c.values, c.log, 0, 100)
		ticks := a.ticks(6)
		if len(ticks) < 2 || len(ticks) > 13 {
			t.Errorf("%v: ticks %v", c.values, ticks)
		}
		for _, v := range ticks {
			if p := a.at(v); p < -1e-6 || p > 100+1e-6 {
				t.Errorf("%v: tick %g at pixel %g", c.values, v, p)
			}
		}
	}
}

func TestNumbersAreShort(t *testing.T) {
	for v, want := range map[float64]string{0: "0", math.Copysign(0, -1): "0", 0.1: "0.1", 0.12345: "0.123", 1234.5: "1234", 12.5: "12.5", 100: "100", 0.00001: "0.00001", -2.50: "-2.5"} {
		if got := Number(v); got != want {
			t.Errorf("%g: %q, want %q", v, got, want)
		}
	}
}
