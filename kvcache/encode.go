package kvcache

import "pith/kernel"

// encodeKeys writes positions, zeroed columns and keys, and the values that lie with them. The pages are there.
func (l *Lane) encodeKeys(s *segment, pos []Position, k, v []float32) {
	y := &s.keys
	n, d := len(pos), l.HeadDim()
	if s.channels != nil {
		sc := getScratch()
		defer sc.put()
		k = gatherChannels(floats(&sc.k, n*y.dims), k, s.channels, n, d)
	}
	if y.grouped {
		l.encodeGroups(s, pos, k, v)
		return
	}
	for i := 0; i < n; {
		r := y.tailRun(l.cache.pool, n-i)
		copy(r.positions(), pos[i:])
		for c := range y.widths {
			clear(r.column(&y.layout, c))
		}
		if over := kernel.EncodeRows(r.data, k[i*y.dims:], r.n, y.dims, rowFormat(y.format)); over > 0 {
			l.overflow += int64(over)
			if y.format == F16 {
				y.widen(l.cache.pool)
				kernel.EncodeRows(r.data, k[i*y.dims:], r.n, y.dims, rowFormat(y.format))
			}
		}
		i += r.n
	}
}

// encodeGroups writes entries as groups of the format's size, from the first of them on; the last may be partial.
func (l *Lane) encodeGroups(s *segment, pos []Position, k, v []float32) {
	y := &s.keys
	sc := getScratch()
	defer sc.put()
	f := groupFormat(y.format)
	block := bytesOf(&sc.rows, f.KeyBytes(y.dims))
	for len(pos) > 0 {
		n := min(f.Group, len(pos))
		l.overflow += int64(kernel.EncodeGroupK(block, k, n, y.dims, f))
		whole := bytesOf(&sc.page, y.recordBytes(n))
		clear(whole)
		r := y.recordRun(whole, n)
		copy(r.data, block)
		copy(r.positions(), pos)
		if y.joint {
			d := y.valueDims
			l.overflow += int64(kernel.EncodeGroupV(y.valuePart(whole, n), v, n, d, blockFormat(y.values, n)))
			v = v[n*d:]
		}
		y.addRecord(l.cache.pool, n, whole)
		pos, k = pos[n:], k[n*y.dims:]
	}
}

// addRecord appends a record of n entries. Its pages are there.
func (s *stream) addRecord(pool *Pool, n int, whole []byte) {
	s.write(pool, s.size, whole)
	s.recs = append(s.recs, record{int32(s.n), int32(s.size)})
	s.size += len(whole)
	s.n += n
}

func (l *Lane) encodeValues(s *segment, v []float32, n int) {
	y := &s.values
	if y.grouped {
		l.encodeValueBlocks(y, v, n)
		return
	}
	for i := 0; i < n; {
		r := y.tailRun(l.cache.pool, n-i)
		if over := kernel.EncodeRows(r.data, v[i*y.dims:], r.n, y.dims, rowFormat(y.format)); over > 0 {
			l.overflow += int64(over)
			if y.format == F16 {
				y.widen(l.cache.pool)
				kernel.EncodeRows(r.data, v[i*y.dims:], r.n, y.dims, rowFormat(y.format))
			}
		}
		i += r.n
	}
}

// encodeValueBlocks appends values to a grouped stream: tokens that fill the last block up, then whole blocks.
func (l *Lane) encodeValueBlocks(y *stream, v []float32, n int) {
	sc := getScratch()
	defer sc.put()
	f, pool := blockFormat(y.format, blockTokens), l.cache.pool
	full := bytesOf(&sc.rows, y.block)
	for n > 0 {
		in := y.n % blockTokens
		m := min(n, blockTokens-in)
		l.overflow += int64(kernel.EncodeGroupV(full, v, m, y.dims, f))
		off := y.n / blockTokens * y.block
		if in > 0 {
			// Each token has its own steps and minima, so the new ones move in beside those that are there.
			old := bytesOf(&sc.page, y.block)
			copy(old, y.view(pool, off, y.block, &sc.page))
			kernel.MoveBlockV(old, in, f, full, upTo(&sc.picked, 0, m), f, y.dims)
			y.write(pool, off, old)
		} else {
			y.write(pool, off, full)
		}
		y.n += m
		y.size = off + y.block
		v, n = v[m*y.dims:], n-m
	}
}

// widen turns an f16 stream to bf16 in place: both take two bytes, so no page is needed. Seven mantissa bits are lost
// where clamping would have lost the value.
func (s *stream) widen(pool *Pool) {
	s.format = BF16
	var buf [256]float32
	for i := 0; i*s.per < s.n; i++ {
		r := s.pageRun(pool.page(s.ids[i]), min(s.per, s.n-i*s.per))
		for at := 0; at < len(r.data); at += 2 * len(buf) {
			part := r.data[at:min(len(r.data), at+2*len(buf))]
			kernel.DecodeRows(buf[:], part, 1, len(part)/2, kernel.RowF16)
			kernel.EncodeRows(part, buf[:], 1, len(part)/2, kernel.RowBF16)
		}
	}
}

func gatherChannels(dst, src []float32, channels []uint16, n, d int) []float32 {
	w := len(channels)
	for i := range n {
		for j, c := range channels {
			dst[i*w+j] = src[i*d+int(c)]
		}
	}
	return dst
}
