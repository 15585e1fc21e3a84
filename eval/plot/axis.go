package plot

import (
	"math"
	"strconv"
	"strings"
)

// axis maps values to pixels.
type axis struct {
	lo, hi   float64 // values at the ends
	from, to float64 // pixels
	log      bool
}

// newAxis spans values with a little room at the ends. A logarithmic axis passes over values that are not positive.
func newAxis(values []float64, log bool, from, to float64) *axis {
	lo, hi := math.Inf(1), math.Inf(-1)
	for _, v := range values {
		if math.IsNaN(v) || math.IsInf(v, 0) || log && v <= 0 {
			continue
		}
		lo, hi = math.Min(lo, v), math.Max(hi, v)
	}
	if lo > hi {
		lo, hi = 1, 1
	}
	if log {
		pad := math.Pow(hi/lo, 0.05)
		if hi/lo < 1.5 {
			pad = 1.5
		}
		return &axis{lo / pad, hi * pad, from, to, true}
	}
	pad := 0.05 * (hi - lo)
	if pad == 0 {
		pad = math.Max(math.Abs(hi)/2, 0.5)
	}
	return &axis{lo - pad, hi + pad, from, to, false}
}

// shares is a linear axis from 0 to 1.
func shares(from, to float64) *axis { return &axis{-0.03, 1.03, from, to, false} }

// at is the pixel of a value; values beyond the ends stop there.
func (a *axis) at(v float64) float64 {
	lo, hi := a.lo, a.hi
	if a.log {
		lo, hi = math.Log(lo), math.Log(hi)
		if v <= 0 {
			v = lo
		} else {
			v = math.Log(v)
		}
	}
	return a.from + (math.Min(math.Max(v, lo), hi)-lo)/(hi-lo)*(a.to-a.from)
}

// ticks returns at most about n round values within the ends.
func (a *axis) ticks(n int) []float64 {
	if !a.log {
		step := niceStep((a.hi - a.lo) / float64(n))
		var out []float64
		for i := math.Ceil(a.lo/step - 1e-9); i*step <= a.hi+1e-9*step; i++ {
			out = append(out, i*step)
		}
		return out
	}
	for _, digits := range [][]float64{{1, 2, 3, 5, 7}, {1, 2, 5}, {1, 3}, {1}} {
		if out := a.logTicks(digits, 1); len(out) <= n+1 && len(out) > 1 {
			return out
		}
	}
	for every := 2; every < 40; every++ {
		if out := a.logTicks([]float64{1}, every); len(out) <= n+1 {
			if len(out) == 0 {
				return []float64{a.lo, a.hi}
			}
			return out
		}
	}
	return []float64{a.lo, a.hi}
}

// logTicks returns the given digits times every so many powers of ten.
func (a *axis) logTicks(digits []float64, every int) []float64 {
	var out []float64
	for e := int(math.Floor(math.Log10(a.lo))); float64(e) <= math.Log10(a.hi)+1; e++ {
		for _, d := range digits {
			if v := d * math.Pow(10, float64(e)); e%every == 0 && v >= a.lo*(1-1e-9) && v <= a.hi*(1+1e-9) {
				out = append(out, v)
			}
		}
	}
	return out
}

// niceStep is the next of 1, 2, 2.5 and 5 times a power of ten.
func niceStep(raw float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(raw)))
	for _, f := range []float64{1, 2, 2.5, 5} {
		if f*power >= raw*(1-1e-9) {
			return f * power
		}
	}
	return 10 * power
}

// Number writes a value with three significant digits, without zeros at the end.
func Number(v float64) string {
	if v == 0 {
		return "0" // whatever its sign
	}
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return strconv.FormatFloat(v, 'g', 3, 64)
	}
	decimals := 2 - int(math.Floor(math.Log10(math.Abs(v))))
	if decimals > 9 {
		return strconv.FormatFloat(v, 'g', 3, 64)
	}
	s := strconv.FormatFloat(v, 'f', max(decimals, 0), 64)
	if strings.Contains(s, ".") {
		s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	return s
}

// Percent writes a share.
func Percent(v float64) string { return Number(100*v) + "%" }
