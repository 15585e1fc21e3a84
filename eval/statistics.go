package eval

import (
	"math/rand/v2"
	"slices"
)

// quantile interpolates linearly between the order statistics of a sorted list.
func quantile(sorted []float64, q float64) float64 {
	at := q * float64(len(sorted)-1)
	lo := int(at)
	hi := min(lo+1, len(sorted)-1)
	return sorted[lo] + (at-float64(lo))*(sorted[hi]-sorted[lo])
}

func mean(x []float64) float64 {
	var sum float64
	for _, v := range x {
		sum += v
	}
	return sum / float64(len(x))
}

// An Interval is a mean with the bounds between which 95% of its bootstrap replicates lie (percentile method, Efron and Tibshirani
// 1993, chapter 13). With one sample the bounds are the mean itself: nothing is known about its error.
type Interval struct {
	Mean float64 `json:"mean"`
	Low  float64 `json:"low"`
	High float64 `json:"high"`
	N    int     `json:"n"`
}

// replicates is the number of bootstrap replicates; bootstrapSeed fixes them, so that equal samples have equal intervals.
const (
	replicates    = 2000
	bootstrapSeed = 0x70697468
)

// Bootstrap resamples independent values. Values that belong together (questions on one context) must be averaged first. The list is
// not changed; an empty one gives the zero Interval.
func Bootstrap(values []float64) Interval {
	n := len(values)
	if n == 0 {
		return Interval{}
	}
	random := rand.New(rand.NewPCG(bootstrapSeed, uint64(n)))
	means := make([]float64, replicates)
	for i := range means {
		var sum float64
		for range n {
			sum += values[random.IntN(n)]
		}
		means[i] = sum / float64(n)
	}
	slices.Sort(means)
	return Interval{Mean: mean(values), Low: quantile(means, 0.025), High: quantile(means, 0.975), N: n}
}
