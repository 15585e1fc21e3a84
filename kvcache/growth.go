package kvcache

// Growth is the most that Append of n entries adds to the lane's bytes. It changes nothing.
func (l *Lane) Growth(n int) int64 {
	n += l.Residual()
	for i := range l.segs {
		if s := &l.segs[i]; l.fits(s) {
			return l.pageBytes(s.need(n))
		}
	}
	fresh := l.newSegment(l.storage, l.channels)
	return l.pageBytes(fresh.pages(n)) + int64(2*len(l.channels))
}

// StepGrowth is the most that a decode step adds: one entry, before which, where most wait in the residual, some of them are settled.
func (l *Lane) StepGrowth(most int) int64 {
	pages := 0
	if n := l.Residual(); n >= most {
		pages = int(l.Growth(0) / int64(l.cache.pool.pageBytes)) // all of the residual, and more is never settled
	}
	if s := l.tailSegment(); s != nil {
		return l.pageBytes(pages + s.need(1))
	}
	st := l.storage
	if st.grouped() {
		st = residualStorage
	}
	fresh := l.newSegment(st, nil)
	return l.pageBytes(pages + fresh.pages(1))
}

func (l *Lane) pageBytes(pages int) int64 {
	return int64(max(0, pages)) * int64(l.cache.pool.pageBytes)
}
