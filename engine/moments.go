package engine

import (
	"pith/kernel"
	"pith/policy"
)

// moments accumulates mean and covariance of one query head over the rows of a layer. Sums are taken in f32 over aligned blocks of
// 64 rows and added up in f64, so they do not depend on the size of the chunks.
type moments struct {
	d       int
	count   int
	sum     []float64 // [d]
	outer   []float64 // [d, d], lower triangle
	first   []float32 // queries of the rows that may be left out, [policy.MaxMomentsSkip, d]
	columns []float32 // scratch [d, 64]
}

func (m *moments) init(d int) {
	m.d = d
	m.sum, m.outer = make([]float64, d), make([]float64, d*d)
	m.columns = make([]float32, d*64)
}

// add takes n rows of q, each width apart, the head's channels from offset on; row is the index of the first of them.
func (m *moments) add(q []float32, n, width, offset, row int) {
	for from := 0; from < n; from += 64 {
		rows := min(64, n-from)
		if row+from < policy.MaxMomentsSkip {
			for i := range rows {
				m.first = append(m.first, q[(from+i)*width+offset:][:m.d]...)
			}
			continue
		}
		for i := range rows {
			for c, v := range q[(from+i)*width+offset:][:m.d] {
				m.columns[c*64+i] = v
			}
		}
		m.count += rows
		for c := range m.d {
			x := m.columns[c*64 : c*64+rows]
			var sum float32
			for _, v := range x {
				sum += v
			}
			m.sum[c] += float64(sum)
			for b := range c + 1 {
				m.outer[c*m.d+b] += float64(kernel.Dot(x, m.columns[b*64:b*64+rows]))
			}
		}
	}
}

// finish returns mean and covariance over all rows but the first skip, the count as divisor.
func (m *moments) finish(skip int) policy.Moments {
	d := m.d
	sum, outer := append([]float64(nil), m.sum...), append([]float64(nil), m.outer...)
	count := m.count
	for at := min(skip*d, len(m.first)); at < len(m.first); at += d {
		row := m.first[at : at+d]
		count++
		for c, v := range row {
			sum[c] += float64(v)
			for b := range c + 1 {
				outer[c*d+b] += float64(v) * float64(row[b])
			}
		}
	}
	out := policy.Moments{Mean: make([]float32, d), Covariance: make([]float32, d*d)}
	if count == 0 {
		return out
	}
	for c := range d {
		out.Mean[c] = float32(sum[c] / float64(count))
		for b := range c + 1 {
			v := float32(outer[c*d+b]/float64(count) - sum[c]/float64(count)*sum[b]/float64(count))
			out.Covariance[c*d+b], out.Covariance[b*d+c] = v, v
		}
	}
	return out
}
