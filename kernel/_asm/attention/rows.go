package main

import (
	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// rowFormat is a way to load a vector of stored channels as f32.
type rowFormat struct {
	name  string
	bytes int // of one channel
	load  func(v isa, m operand.Mem) reg.VecVirtual
}

var plainFormats = []rowFormat{
	{"F32", 4, func(v isa, m operand.Mem) reg.VecVirtual {
		x := v.reg()
		VMOVUPS(m, x)
		return x
	}},
	{"F16", 2, func(v isa, m operand.Mem) reg.VecVirtual {
		x := v.reg()
		VCVTPH2PS(m, x)
		return x
	}},
	{"BF16", 2, func(v isa, m operand.Mem) reg.VecVirtual {
		x := v.reg()
		VPMOVZXWD(m, x)
		VPSLLD(operand.Imm(16), x, x)
		return x
	}},
}

// loadCodes widens int8 codes to f32.
func (v isa) loadCodes(m operand.Mem) reg.VecVirtual {
	x := v.reg()
	VPMOVSXBD(m, x)
	VCVTDQ2PS(x, x)
	return x
}

// loadScale broadcasts the f16 scale of a group.
func (v isa) loadScale(m operand.Mem) reg.VecVirtual {
	y := v.reg()
	if v.lanes == 16 {
		x := YMM()
		VPBROADCASTW(m, x)
		VCVTPH2PS(x, y)
		return y
	}
	x := XMM()
	VPBROADCASTW(m, x)
	VCVTPH2PS(x, y)
	return y
}

const (
	q8Channels = 32
	q8Bytes    = 2 + q8Channels
)

func rowsFile(v isa) {
	for heads := 1; heads <= 4; heads++ {
		for _, f := range plainFormats {
			dotRowsPlain(v, f, heads)
			if v.lanes == 16 {
				accumulatePages(v, f, heads)
			} else {
				accumulatePlain(v, f, heads)
			}
		}
		dotRowsQ8(v, heads)
		if v.lanes == 16 {
			dotRowsQ8VNNI(heads)
			accumulateQ8Wide(heads)
		} else {
			accumulateQ8(v, heads)
		}
	}
	if v.lanes == 16 {
		roundQueries()
	}
	if v.lanes == 8 {
		copyRows()
	}
}

// strided addresses up to 8 places base+i*stride: from the base and one 4 strides on, with a register of 3 strides.
type strided struct {
	base, base4, stride, stride3 reg.GPVirtual
}

func newStrided(base, stride reg.GPVirtual, n int) *strided {
	s := &strided{base: base, stride: stride}
	if n > 3 {
		s.stride3 = GP64()
		LEAQ(indexed(stride, stride, 2, 0), s.stride3)
	}
	if n > 4 {
		s.base4 = GP64()
		LEAQ(indexed(base, stride, 4, 0), s.base4)
	}
	return s
}

func (s *strided) at(i, disp int) operand.Mem {
	base := s.base
	if i >= 4 {
		base = s.base4
		i -= 4
	}
	switch i {
	case 0:
		return at(base, disp)
	case 3:
		return indexed(base, s.stride3, 1, disp)
	}
	return indexed(base, s.stride, uint8(i), disp)
}

func (s *strided) advance(bytes int) {
	ADDQ(operand.U32(uint32(bytes)), s.base)
	if s.base4 != nil {
		ADDQ(operand.U32(uint32(bytes)), s.base4)
	}
}

// clone copies the moving registers.
func (s *strided) clone() *strided {
	c := *s
	c.base = GP64()
	MOVQ(s.base, c.base)
	if s.base4 != nil {
		c.base4 = GP64()
		MOVQ(s.base4, c.base4)
	}
	return &c
}

// sumRows reduces one accumulator a row, 1, 2, 4 or 8 of them, and stores the sums. Whatever their number, a sum is
// ((a0+a2)+(a1+a3)) + ((a4+a6)+(a5+a7)), and likewise for 16 lanes. Shuffles and adds beat VHADDPS, which is both and slower than the parts.
func sumRows(v isa, acc []reg.VecVirtual, dst func(row int) operand.Mem) {
	for i := 0; i < len(acc); i += 4 {
		a := acc[i:min(i+4, len(acc))]
		var sum reg.VecVirtual
		if len(a) == 1 {
			sum = v.reg()
			VPERMILPS(operand.Imm(0x4e), a[0], sum)
			VADDPS(a[0], sum, sum)
			VMOVSHDUP(sum, a[0])
			VADDPS(a[0], sum, sum)
		} else {
			x := addHalves(v, VUNPCKLPS, VUNPCKHPS, a[0], a[1])
			y := x
			if len(a) == 4 {
				y = addHalves(v, VUNPCKLPS, VUNPCKHPS, a[2], a[3])
			}
			sum = addHalves(v, VUNPCKLPD, VUNPCKHPD, x, y)
		}
		h := v.foldTo128(sum, VADDPS)
		switch len(a) {
		case 4:
			VMOVUPS(h, dst(i))
		case 2:
			VMOVSD(h, dst(i))
		case 1:
			VMOVSS(h, dst(i))
		}
	}
}

// addHalves interleaves the lower and the upper halves of x and y and adds them.
func addHalves(v isa, low, high func(...operand.Op), x, y reg.VecVirtual) reg.VecVirtual {
	l, h := v.reg(), v.reg()
	low(y, x, l)
	high(y, x, h)
	VADDPS(h, l, l)
	return l
}

// prefetch asks for a line: with AVX-512 into the second cache. The buffers of misses of the first hold too few lines for the distance.
func (v isa) prefetch(m operand.Mem) {
	if v.lanes == 16 {
		PREFETCHT1(m)
	} else {
		PREFETCHT0(m)
	}
}

// prefetchPart asks for part i of n of the next bytes at p, a line each 64, and behind the last part moves on: the reading of what a
// later call needs is spread over this one's arithmetic, because a burst waits for the buffers of misses in flight.
func (v isa) prefetchPart(p reg.GPVirtual, i, n, bytes int) {
	lines := (bytes + 32) / 64
	for j := i; j < max(lines, 1); j += n {
		v.prefetch(at(p, 64*j))
	}
	if i == n-1 {
		ADDQ(operand.U32(uint32(bytes)), p)
	}
}

// rowsAtOnce is the number of rows that a dot kernel takes at a time: as many accumulators as there are registers for.
func (v isa) rowsAtOnce(heads int) int {
	if v.lanes == 16 {
		return [5]int{0, 8, 8, 8, 4}[heads]
	}
	return [5]int{0, 8, 4, 4, 2}[heads]
}

const dotSignature = "func(dst, q *float32, rows *byte, dstStride, n, d, rowBytes int, ahead *byte)"

func dotDoc(v isa, name string, heads int) string {
	return name + " writes the products of " + itoa(heads) + " queries q [heads][d] with n rows to dst, whose heads are dstStride bytes apart. d is a multiple of " + itoa(v.lanes) + "."
}

// dotRowsPlain: accumulators [head][row] of 8 lanes; queries stay in registers across the rows.
func dotRowsPlain(v isa, f rowFormat, heads int) {
	dot(v, "dotRows"+f.name+"x"+itoa(heads)+v.name, heads, func(q, rows *strided, acc [][]reg.VecVirtual, d, ahead reg.GPVirtual) {
		for _, vectors := range []int{32 / v.lanes, 1} {
			loop("channels", d, v.lanes*vectors, func() {
				for i := range vectors {
					var x []reg.VecVirtual
					for h := range heads {
						y := v.reg()
						VMOVUPS(q.at(h, v.bytes()*i), y)
						x = append(x, y)
					}
					for r := range acc[0] {
						row := f.load(v, rows.at(r, v.lanes*f.bytes*i))
						for h := range heads {
							VFMADD231PS(row, x[h], acc[h][r])
						}
					}
					if vectors > 1 {
						v.prefetchPart(ahead, i, vectors, 32*f.bytes*len(acc[0]))
					}
				}
				q.advance(v.bytes() * vectors)
				rows.advance(v.lanes * f.bytes * vectors)
			})
		}
	})
}

// dotRowsQ8 scales the codes of a row and group before they meet the queries.
func dotRowsQ8(v isa, heads int) {
	dot(v, "dotRowsQ8x"+itoa(heads)+v.name, heads, func(q, rows *strided, acc [][]reg.VecVirtual, d, ahead reg.GPVirtual) {
		group := func(vectors int) {
			for r := range acc[0] {
				s := v.loadScale(rows.at(r, 0))
				for i := range vectors {
					x := v.loadCodes(rows.at(r, 2+v.lanes*i))
					VMULPS(s, x, x)
					for h := range heads {
						VFMADD231PS(q.at(h, v.bytes()*i), x, acc[h][r])
					}
				}
			}
		}
		loop("groups", d, q8Channels, func() {
			avx2.prefetchPart(ahead, 0, 1, q8Bytes*len(acc[0])) // bound by its arithmetic: the first cache is in time (AVX-512: 13.6 ns an entry against 15.3)
			group(q8Channels / v.lanes)
			q.advance(4 * q8Channels)
			rows.advance(q8Bytes)
		})
		// What is left has a scale of its own.
		done := unique("row_done")
		for vectors := q8Channels/v.lanes - 1; vectors > 0; vectors-- {
			next := unique("shorter")
			CMPQ(d, operand.U32(uint32(v.lanes*vectors)))
			JLT(operand.LabelRef(next))
			group(vectors)
			JMP(operand.LabelRef(done))
			Label(next)
		}
		Label(done)
	})
}

// dot makes a dot kernel: it opens the loops over rows, in which channels adds products.
func dot(v isa, name string, heads int, channels func(q, rows *strided, acc [][]reg.VecVirtual, d, ahead reg.GPVirtual)) {
	if v.lanes == 16 {
		dotPages(v, name, heads, channels)
		return
	}
	function(name, dotSignature, dotDoc(v, name, heads))
	dst, q, rows := ptr("dst"), ptr("q"), ptr("rows")
	dstStride, n, d, rowBytes := ptr("dstStride"), ptr("n"), ptr("d"), ptr("rowBytes")
	ahead := ptr("ahead")
	qStride := GP64()
	MOVQ(d, qStride)
	SHLQ(operand.Imm(2), qStride)
	queries := newStrided(q, qStride, heads)
	outs := newStrided(dst, dstStride, heads)
	for _, count := range []int{v.rowsAtOnce(heads), 1} {
		loop("rows", n, count, func() {
			acc := make([][]reg.VecVirtual, heads)
			for h := range acc {
				acc[h] = v.regs(count)
				for _, r := range acc[h] {
					v.zero(r)
				}
			}
			left := GP64()
			MOVQ(d, left)
			from := GP64()
			MOVQ(rows, from)
			channels(queries.clone(), newStrided(from, rowBytes, count), acc, left, ahead)
			for h := range acc {
				sumRows(v, acc[h], func(r int) operand.Mem { return outs.at(h, 4*r) })
			}
			outs.advance(4 * count)
			step := GP64()
			IMUL3Q(operand.U32(uint32(count)), rowBytes, step)
			ADDQ(step, rows)
		})
	}
	ret()
}

// vectorsAtOnce is the number of channel vectors that an accumulate kernel holds in registers.
func (v isa) vectorsAtOnce(heads int) int {
	if v.lanes == 16 {
		return 4
	}
	return [5]int{0, 8, 4, 4, 2}[heads]
}

const accumulateSignature = "func(acc, weights *float32, rows *byte, weightStride, n, d, rowBytes int, ahead *byte)"

func accumulateDoc(v isa, name string, heads int) string {
	return name + " adds the weighted sums of n rows to acc [" + itoa(heads) + "][d]; the weights of the heads are weightStride bytes apart. d is a multiple of " + itoa(v.lanes) + "."
}

// accumulatePlain: accumulators [head][vector] for a run of channels, over all rows; then the next run.
func accumulatePlain(v isa, f rowFormat, heads int) {
	name := "accumulateRows" + f.name + "x" + itoa(heads) + v.name
	function(name, accumulateSignature, accumulateDoc(v, name, heads))
	acc, weights, rows := ptr("acc"), ptr("weights"), ptr("rows")
	weightStride, n, d, rowBytes := ptr("weightStride"), ptr("n"), ptr("d"), ptr("rowBytes")
	ahead := ptr("ahead")
	accStride := GP64()
	MOVQ(d, accStride)
	SHLQ(operand.Imm(2), accStride)
	out := newStrided(acc, accStride, heads)
	w := newStrided(weights, weightStride, heads)
	for _, vectors := range []int{v.vectorsAtOnce(heads), 1} {
		loop("channels", d, v.lanes*vectors, func() {
			sums := loadSums(v, out, heads, vectors)
			from, left := GP64(), GP64()
			MOVQ(rows, from)
			MOVQ(n, left)
			ws := w.clone()
			loop("rows", left, 1, func() {
				k := make([]reg.VecVirtual, heads)
				for h := range k {
					k[h] = v.reg()
					VBROADCASTSS(ws.at(h, 0), k[h])
				}
				for i := range vectors {
					x := f.load(v, at(from, v.lanes*f.bytes*i))
					for h := range heads {
						VFMADD231PS(x, k[h], sums[h][i])
					}
				}
				if vectors > 1 {
					v.prefetchPart(ahead, 0, 1, v.lanes*f.bytes*vectors)
				}
				ADDQ(rowBytes, from)
				ws.advance(4)
			})
			storeSums(v, out, sums)
			out.advance(v.bytes() * vectors)
			ADDQ(operand.U32(uint32(v.lanes*f.bytes*vectors)), rows)
		})
	}
	ret()
}

func loadSums(v isa, out *strided, heads, vectors int) [][]reg.VecVirtual {
	sums := make([][]reg.VecVirtual, heads)
	for h := range sums {
		sums[h] = v.regs(vectors)
		for i, r := range sums[h] {
			VMOVUPS(out.at(h, v.bytes()*i), r)
		}
	}
	return sums
}

func storeSums(v isa, out *strided, sums [][]reg.VecVirtual) {
	for h := range sums {
		for i, r := range sums[h] {
			VMOVUPS(r, out.at(h, v.bytes()*i))
		}
	}
}

// accumulateQ8 multiplies the weights by the scale of a row and group, then the codes by that: fewer products, and the same
// rounding for any number of heads.
func accumulateQ8(v isa, heads int) {
	name := "accumulateRowsQ8x" + itoa(heads) + v.name
	function(name, accumulateSignature, accumulateDoc(v, name, heads))
	acc, weights, rows := ptr("acc"), ptr("weights"), ptr("rows")
	weightStride, n, d, rowBytes := ptr("weightStride"), ptr("n"), ptr("d"), ptr("rowBytes")
	ahead := ptr("ahead")
	accStride := GP64()
	MOVQ(d, accStride)
	SHLQ(operand.Imm(2), accStride)
	out := newStrided(acc, accStride, heads)
	w := newStrided(weights, weightStride, heads)
	// A run of vectors whose scale lies at scaleAt and whose codes start at from.
	run := func(scaleAt reg.GPVirtual, from reg.GPVirtual, disp, vectors int) {
		sums := loadSums(v, out, heads, vectors)
		s, c, left := GP64(), GP64(), GP64()
		MOVQ(scaleAt, s)
		MOVQ(from, c)
		MOVQ(n, left)
		ws := w.clone()
		loop("rows", left, 1, func() {
			scale := v.loadScale(at(s, 0))
			k := make([]reg.VecVirtual, heads)
			for h := range k {
				k[h] = v.reg()
				VBROADCASTSS(ws.at(h, 0), k[h])
				VMULPS(scale, k[h], k[h])
			}
			for i := range vectors {
				x := v.loadCodes(at(c, disp+v.lanes*i))
				for h := range heads {
					VFMADD231PS(x, k[h], sums[h][i])
				}
			}
			if vectors > 1 {
				v.prefetchPart(ahead, 0, 1, q8Bytes*v.lanes*vectors/q8Channels)
			}
			ADDQ(rowBytes, s)
			ADDQ(rowBytes, c)
			ws.advance(4)
		})
		storeSums(v, out, sums)
		out.advance(v.bytes() * vectors)
	}
	most := min(q8Channels/v.lanes, v.vectorsAtOnce(heads))
	loop("groups", d, q8Channels, func() {
		for i := 0; i < q8Channels/v.lanes; i += most {
			run(rows, rows, 2+v.lanes*i, most)
		}
		ADDQ(operand.U32(q8Bytes), rows)
	})
	codes := GP64()
	LEAQ(at(rows, 2), codes)
	loop("vectors", d, v.lanes, func() {
		run(rows, codes, 0, 1)
		ADDQ(operand.U32(uint32(v.lanes)), codes)
	})
	ret()
}

// copyRows moves 128 bytes at a time, then 32; what is left of a row is moved with the bytes before it once more.
func copyRows() {
	function("copyRowsAVX2", "func(dst *byte, rows **byte, n int, ahead **byte, aheadCount, rowBytes int)",
		"copyRowsAVX2 copies n rows of rowBytes bytes, at least 32, to dst, and asks for the first two lines of those ahead, at least one, of which the last is asked for over and over.")
	dst, rows, n, coming, last, rowBytes := ptr("dst"), ptr("rows"), ptr("n"), ptr("ahead"), ptr("aheadCount"), ptr("rowBytes")
	LEAQ(indexed(coming, last, 8, -8), last)
	loop("rows", n, 1, func() {
		from, t := GP64(), GP64()
		MOVQ(at(coming, 0), t)
		PREFETCHT0(at(t, 0))
		PREFETCHT0(at(t, 64))
		ADDQ(operand.Imm(8), coming)
		CMPQ(coming, last)
		CMOVQHI(last, coming)
		MOVQ(at(rows, 0), from)
		ADDQ(operand.Imm(8), rows)
		off := GP64()
		XORQ(off, off)
		x := avx2.regs(4)
		for _, vectors := range []int{4, 1} {
			more, done := unique("part"), unique("part_done")
			fits := GP64()
			Label(more)
			LEAQ(at(off, 32*vectors), fits)
			CMPQ(fits, rowBytes)
			JGT(operand.LabelRef(done))
			for k := range vectors {
				VMOVDQU(indexed(from, off, 1, 32*k), x[k])
			}
			for k := range vectors {
				VMOVDQU(x[k], indexed(dst, off, 1, 32*k))
			}
			MOVQ(fits, off)
			JMP(operand.LabelRef(more))
			Label(done)
		}
		whole := unique("whole")
		CMPQ(off, rowBytes)
		JE(operand.LabelRef(whole))
		VMOVDQU(indexed(from, rowBytes, 1, -32), x[0])
		VMOVDQU(x[0], indexed(dst, rowBytes, 1, -32))
		Label(whole)
		ADDQ(rowBytes, dst)
	})
	ret()
}
