package kvcache

import "sort"

// add appends entry j of o.
func (e *entries) add(o *entries, j, d int, widths []int) {
	e.pos = append(e.pos, o.pos[j])
	e.k = append(e.k, o.k[j*d:(j+1)*d]...)
	e.v = append(e.v, o.v[j*d:(j+1)*d]...)
	if e.columns == nil {
		e.columns = make([][]byte, len(widths))
	}
	for c, w := range widths {
		e.columns[c] = append(e.columns[c], o.columns[c][j*w:(j+1)*w]...)
	}
}

// sort brings the entries in the order of their positions.
func (e *entries) sort(d int, widths []int) {
	order := make([]int, len(e.pos))
	for i := range order {
		order[i] = i
	}
	sort.Slice(order, func(a, b int) bool { return e.pos[order[a]] < e.pos[order[b]] })
	var out entries
	for _, j := range order {
		out.add(e, j, d, widths)
	}
	*e = out
}
