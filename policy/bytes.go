package policy

import "sort"

// A Ruler tells a Run what entries cost, where a recipe's share is one of bytes: the pool hands out whole pages, so a lane that ends in
// an almost empty one wastes what another lane could use.
type Ruler struct {
	Limit int64             // bytes of all lanes that the recipe decides
	Page  int64             // bytes of a page
	Bytes func(n int) int64 // of one lane of n entries, whole pages
}

// Measure makes the run fill pages: heads whose counts differ are given whole pages, as many as the limit holds, in proportion to what
// the allocator wants for them.
func (run *Run) Measure(r Ruler) { run.ruler = &r }

// Scale returns the part of a total that the share stands for, where n entries are all of it.
func (s Share) Scale(total int64, n int) int64 {
	if s.entries > 0 {
		return total * int64(min(s.entries, n)) / int64(max(n, 1))
	}
	const whole = 1_000_000
	return total/whole*s.millionths + total%whole*s.millionths/whole
}

// fill turns the counts that an allocator wants into counts that fill pages. A span that has not seen every layer yet only holds entries
// and is left as it is.
func (run *Run) fill(a *Allocation, counts [][]int) [][]int {
	span := run.recipe.span()
	if run.ruler == nil || span != 1 && len(a.Scored) < a.Layers {
		return counts
	}
	pages := int(run.ruler.Limit / run.ruler.Page)
	if span == 1 { // this layer's part of them, what earlier ones rounded off included
		pages = run.layerPages(pages, a)
	}
	var limit []int // entries that a lane can hold at most
	var wanted []float64
	for i, s := range a.Scored {
		for h, n := range counts[i] {
			limit = append(limit, min(s.Tokens, s.Held[h]))
			wanted = append(wanted, float64(n))
		}
	}
	filled := run.ruler.fill(wanted, limit, pages)
	out := make([][]int, len(counts))
	for i := range counts {
		out[i], filled = filled[:len(counts[i])], filled[len(counts[i]):]
	}
	return out
}

// layerPages is one layer's part of the pages: equal parts, or, where an allocator shares unevenly, what its share takes beyond the pages that any
// lane takes. What earlier layers rounded off is in it.
func (run *Run) layerPages(pages int, a *Allocation) int {
	at, lanes := a.Scored[0].Ordinal, len(a.Scored[0].Scores)
	if run.bases == nil {
		return pages*(at+1)/a.Layers - pages*at/a.Layers
	}
	least := lanes * int(run.ruler.Bytes(1)/run.ruler.Page)
	free := max(0, pages-least*a.Layers)
	var before, all int64
	for i, n := range run.bases {
		beyond := int64(max(0, lanes*int(run.ruler.Bytes(n)/run.ruler.Page)-least))
		all += beyond
		if i < at {
			before += beyond
		}
	}
	if all == 0 {
		return least + free*(at+1)/a.Layers - free*at/a.Layers
	}
	own := int64(max(0, lanes*int(run.ruler.Bytes(run.bases[at])/run.ruler.Page)-least))
	return least + int(int64(free)*(before+own)/all-int64(free)*before/all)
}

// fill distributes pages to lanes in proportion to the entries wanted. Every lane gets at least the pages that any entry takes.
func (r *Ruler) fill(wanted []float64, limit []int, pages int) []int {
	least := int(r.Bytes(1) / r.Page)
	const many = 1 << 14
	perEntry := float64(r.Bytes(many)) / many / float64(r.Page)
	shares, room, sum := make([]float64, len(wanted)), make([]int, len(wanted)), 0.0
	for i, n := range wanted {
		shares[i] = max(0, n*perEntry-float64(least))
		sum += shares[i]
		room[i] = max(0, int(r.Bytes(limit[i])/r.Page)-least)
	}
	free := max(0, pages-least*len(wanted))
	for i := range shares {
		if sum > 0 {
			shares[i] *= float64(free) / sum
		} else {
			shares[i] = float64(free) / float64(len(shares))
		}
	}
	counts := make([]int, len(wanted))
	for i, p := range LargestRemainder(shares, free, room) {
		counts[i] = r.holds(int64(least+p)*r.Page, limit[i])
	}
	return counts
}

// holds is the largest number of entries, at most limit, that so many bytes hold.
func (r *Ruler) holds(bytes int64, limit int) int {
	return sort.Search(limit, func(n int) bool { return r.Bytes(n+1) > bytes })
}

// Entries returns the entries per head that the limit allows: in even lanes those that fit in every one of them, otherwise the average.
// A lane takes at least the pages that any entry takes, whatever the limit says.
func (r *Ruler) Entries(lanes, n int, even bool) int {
	each := max(r.Limit/int64(lanes), r.Bytes(1))
	if r.Bytes(n) <= each {
		return n
	}
	if even {
		return r.holds(each, n)
	}
	const many = 1 << 14
	return min(n-1, max(r.holds(r.Bytes(1), n), int(each*many/r.Bytes(many))))
}
