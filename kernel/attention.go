package kernel

import "math"

// keyBlock is the number of keys that attention takes at a time. Blocks start at multiples of it, whatever the rows, so
// that a row's result depends on its own visible keys alone.
const keyBlock = 64

// Attention is the attention of Group query heads that share one key and value head, over contiguous keys and values in
// f32, for rows of a prefill. Scores are scale*q·k, capped by SoftCap*tanh(score/SoftCap) where SoftCap is positive.
//
// The softmax is taken online over blocks of 64 keys in ascending order (Milakov and Gimelshein, 2018; Dao, 2023):
// blocks that no row of a tile sees are skipped, only blocks that a row sees in part are masked, and the result of a row is
// the same bit for bit whatever rows are computed beside it. A row that sees no key gives zeros.
//
// The value is read-only during calls and may be shared by concurrent tasks; each needs a scratch of its own.
type Attention struct {
	HeadDim int // channels of a head, any positive number; multiples of 16 are the fastest
	Group   int // query heads of this key head
	Scale   float32
	SoftCap float32   // 0: none
	Keys    []float32 // [nk, HeadDim]
	Values  []float32 // [nk, HeadDim]
	First   int       // row i of a call sees the keys [Lo[i], First+i+1)
	Lo      []int32   // [rows] first visible key of each row (a window); nil: 0
	Sinks   int       // with Lo: keys [0, Sinks) stay visible, as far as they precede First+i+1
	BF16    bool      // Rows multiplies queries, keys, weights and values rounded to bf16 where the tier can and HeadDim is a multiple of 32
	LSE     []float32 // [rows, Group] log-sum-exp of the scores; written by Rows if not nil, read by ColumnSums and TopProbs
}

// lo returns the first key of row i's window.
func (a *Attention) lo(i int) int {
	if a.Lo == nil {
		return 0
	}
	return int(a.Lo[i])
}

// see returns what row i sees of the block of keys that starts at kb, relative to kb: [0, sink) and [lo, hi).
func (a *Attention) see(i, kb int) (sink, lo, hi int) {
	hi = min(max(a.First+i+1-kb, 0), keyBlock)
	lo = min(max(a.lo(i)-kb, 0), hi)
	sink = min(max(a.Sinks-kb, 0), lo)
	return sink, lo, hi
}

// AttentionScratch holds the buffers of one attention task at a time. They grow to the largest call and are then reused.
type AttentionScratch struct {
	q      []float32 // [tiles*tileRows, HeadDim] queries of the call, heads of a row side by side
	out    []float32 // [tiles*tileRows, dv] weighted values so far
	keys   []float32 // the block of keys in the layout of the tier
	values []float32 // [64, dv] the block of values, where it cannot be read in place
	scores []float32 // [rows of a step, 64]
	max    []float32 // [tiles*tileRows] maximum of the scores so far, in the unit of the exponent
	sum    []float32 // [tiles*tileRows] sum of the weights so far
	sums   []float32 // [Group, 64] column sums of a run of rows
	raw    []float32 // one allocation behind all of them
	half   halfBlock // what a tile of bf16 reads instead of q, keys and values
}

// NewAttentionScratch returns an empty scratch.
func NewAttentionScratch() *AttentionScratch { return new(AttentionScratch) }

// grow lays out the buffers for m rows of a tier's tile.
func (s *AttentionScratch) grow(t *attentionTile, m, d, group int) {
	mp := roundUp(m, t.rows)
	dv := roundUp(d, t.columns)
	sizes := [...]int{mp * d, mp * dv, keyBlock * d, keyBlock * dv, t.step() * keyBlock, mp, mp, group * keyBlock}
	fields := [...]*[]float32{&s.q, &s.out, &s.keys, &s.values, &s.scores, &s.max, &s.sum, &s.sums}
	total := 0
	for i := range sizes {
		total += roundUp(sizes[i], 16)
	}
	if len(s.raw) < total {
		s.raw = alignedFloats(total)
	}
	at := 0
	for i, n := range sizes {
		*fields[i] = s.raw[at : at+n : at+n]
		at += roundUp(n, 16)
	}
}

func roundUp(n, m int) int { return (n + m - 1) / m * m }

// loadQueries copies the queries of the call side by side and clears the rows that only fill the last tile.
func (s *AttentionScratch) loadQueries(q []float32, stride, rows, group, d int) {
	for i := range rows {
		copy(s.q[i*group*d:(i+1)*group*d], q[i*stride:i*stride+group*d])
	}
	clear(s.q[rows*group*d:])
}

// unit returns the factor from a raw product to a score in units of ln 2 and, where scores are capped, the factors from
// a raw product to the argument of tanh; the exponential is then a power of two.
func (a *Attention) unit() (factor, tanhScale float32) {
	if a.SoftCap > 0 {
		return a.SoftCap * log2E, a.Scale / a.SoftCap
	}
	return a.Scale * log2E, 0
}

// Rows computes rows rows: out[i*outStride+g*HeadDim:] from q[i*qStride+g*HeadDim:], for i in [0, rows) and g in
// [0, Group). Keys and Values hold at least First+rows entries. It is one task: the caller spreads (key head, block of 64
// rows) over its workers.
func (a *Attention) Rows(out, q []float32, outStride, qStride, rows int, s *AttentionScratch) {
	if rows <= 0 {
		return
	}
	d, m := a.HeadDim, rows*a.Group
	t := a.tile()
	half := a.begin(t, q, qStride, rows, s)
	dv := roundUp(d, t.columns)
	clear(s.out)
	for r := range s.max {
		s.max[r] = -math.MaxFloat32
		s.sum[r] = 0
	}
	factor, tanhScale := a.unit()
	end := a.First + rows
	for kb := a.nextBlock(0, rows); kb < end; kb = a.nextBlock(kb+keyBlock, rows) {
		n := min(keyBlock, end-kb)
		var values []float32
		var stride int
		if half {
			s.half.load(a.Keys[kb*d:], a.Values[kb*d:], n, d)
		} else {
			t.packKeys(s.keys, a.Keys[kb*d:(kb+n)*d], n, d)
			values, stride = a.valueBlock(s, kb, n, dv)
		}
		for r := 0; r < m; r += t.step() {
			to := min(r+t.step(), len(s.max))
			kn := a.tileScores(t, s, r, to, m, kb, half, tanhScale)
			if kn == 0 {
				continue
			}
			out, maxima, sums := s.out[r*dv:to*dv], s.max[r:to], s.sum[r:to]
			if half {
				t.attendHalf(out, s.scores, maxima, sums, &s.half, kn, dv, factor)
			} else {
				t.attend(out, s.scores, maxima, sums, values, stride, kn, dv, factor)
			}
		}
	}
	for i := range rows {
		for g := range a.Group {
			r := i*a.Group + g
			o := out[i*outStride+g*d:]
			var inv float32
			if s.sum[r] > 0 {
				inv = 1 / s.sum[r]
			}
			copy(o[:d], s.out[r*dv:r*dv+d])
			scaleRow(o[:d], inv)
			if a.LSE != nil {
				a.LSE[r] = float32((float64(s.max[r]) + math.Log2(float64(s.sum[r]))) * math.Ln2)
			}
		}
	}
}

// begin makes room for rows and takes their queries; half says that products are in bf16.
func (a *Attention) begin(t *attentionTile, q []float32, qStride, rows int, s *AttentionScratch) (half bool) {
	d, m := a.HeadDim, rows*a.Group
	s.grow(t, m, d, a.Group)
	s.loadQueries(q, qStride, rows, a.Group, d)
	if half = t.half(); half {
		s.half.grow(roundUp(m, t.rows), d, t.step())
		s.half.loadQueries(s.q)
	}
	return half
}

// tileScores writes the scores of the rows [r, to) of a tile, m rows in all, with the block of keys in the scratch to s.scores: capped, before the factor of
// unit, and minus infinity where a row does not see a key. It returns how many keys the rows need; where that is 0, it writes nothing.
func (a *Attention) tileScores(t *attentionTile, s *AttentionScratch, r, to, m, kb int, half bool, tanhScale float32) (kn int) {
	d, last := a.HeadDim, min(to, m)-1
	kn, whole := a.tileSees(r/a.Group, last/a.Group, kb)
	if kn == 0 {
		return 0
	}
	if half {
		t.scoresHalf(s.scores, &s.half, r, to, d, kn)
	} else {
		t.scores(s.scores, s.q[r*d:to*d], s.keys, d, kn)
	}
	if tanhScale != 0 {
		t.tanh(s.scores[:(to-r)*keyBlock], tanhScale)
	}
	if !whole {
		a.mask(s.scores, r, last+1-r, kb)
	}
	return kn
}

// valueBlock returns the values of a block and their row stride: in place where tiles of columns end with the row,
// otherwise copied with zeros behind every row.
func (a *Attention) valueBlock(s *AttentionScratch, kb, n, dv int) ([]float32, int) {
	d := a.HeadDim
	if dv == d {
		return a.Values[kb*d : (kb+n)*d], d
	}
	for j := range n {
		copy(s.values[j*dv:j*dv+d], a.Values[(kb+j)*d:(kb+j+1)*d])
		clear(s.values[j*dv+d : (j+1)*dv])
	}
	return s.values, dv
}

// nextBlock returns the first block at or after kb that one of the rows may see. It jumps over the gap between sinks
// and windows.
func (a *Attention) nextBlock(kb, rows int) int {
	if a.Lo == nil || kb < a.Sinks {
		return kb
	}
	lowest := a.First + rows
	for i := range rows {
		lowest = min(lowest, int(a.Lo[i]))
	}
	return max(kb, lowest/keyBlock*keyBlock)
}

// tileSees returns how many keys of the block the rows i0..i1 need (0: none), and whether all of them see the whole block.
func (a *Attention) tileSees(i0, i1, kb int) (kn int, whole bool) {
	whole = true
	for i := i0; i <= i1; i++ {
		sink, lo, hi := a.see(i, kb)
		if lo < hi {
			kn = max(kn, hi)
		} else {
			kn = max(kn, sink)
		}
		whole = whole && hi == keyBlock && (lo == 0 || sink >= lo)
	}
	return kn, whole
}

// mask replaces the scores that a row does not see by minus infinity.
func (a *Attention) mask(scores []float32, r, n, kb int) {
	for k := range n {
		sink, lo, hi := a.see((r+k)/a.Group, kb)
		row := scores[k*keyBlock : (k+1)*keyBlock]
		fillNegInf(row[sink:lo])
		fillNegInf(row[hi:])
	}
}

func fillNegInf(x []float32) {
	negInf := float32(math.Inf(-1))
	for i := range x {
		x[i] = negInf
	}
}
