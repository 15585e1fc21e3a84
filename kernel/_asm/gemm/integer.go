package main

import (
	"fmt"
	"math/bits"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// format is what a micro-kernel needs to know of a weight format.
type format struct {
	name  string
	bits  int // codes are below 1<<bits; 8 stands for the two nibbles of a byte
	group int // weights per scale
	zero  int // zero point, a power of two; 0 for formats with an offset
}

var formats = []format{
	{"Q4_0", 4, 32, 8},
	{"Q4_1", 4, 32, 0}, // also Q4_K
	{"Q2_K", 4, 16, 0},
	{"Q3_K", 4, 16, 4},
	{"Q5_0", 6, 32, 16},
	{"Q5_1", 6, 32, 0}, // also Q5_K
	{"Q6_K", 6, 16, 32},
	{"Q8_0", 8, 32, 128}, // also IQ4_NL, IQ4_XS, MXFP4
}

func (f format) affine() bool { return f.zero == 0 }

// rowPointers addresses rows 0..n-1 at a fixed stride with one moving pointer per four rows.
type rowPointers struct {
	base    []reg.GPVirtual
	stride  reg.Register
	stride3 reg.Register
	scale   int // the stride register counts for 1/scale of the stride
}

// at is the address of row r plus off bytes.
func (p rowPointers) at(r, off int) Mem {
	m := Mem{Base: p.base[r/4], Disp: off}
	switch r % 4 {
	case 1:
		m.Index, m.Scale = p.stride, uint8(p.scale)
	case 2:
		m.Index, m.Scale = p.stride, uint8(2*p.scale)
	case 3:
		m.Index, m.Scale = p.stride3, uint8(p.scale)
	}
	return m
}

func (p rowPointers) advance(bytes int) {
	for _, b := range p.base {
		ADDQ(U32(bytes), b)
	}
}

// pointers loads a pointer parameter and prepares rows of it.
func pointers(param string, rows int, stride, stride3 reg.Register, scale int) rowPointers {
	p := rowPointers{stride: stride, stride3: stride3, scale: scale}
	for i := 0; i < rows; i += 4 {
		b := GP64()
		Load(Param(param), b)
		for range i / 4 * scale {
			LEAQ(Mem{Base: b, Index: stride, Scale: 4}, b)
		}
		p.base = append(p.base, b)
	}
	return p
}

// strides loads a stride parameter and, if four rows need it, its triple.
func strides(param string, rows int) (s, s3 reg.Register) {
	if rows == 1 {
		return nil, nil
	}
	s = GP64()
	Load(Param(param), s)
	if rows >= 4 {
		s3 = GP64()
		LEAQ(Mem{Base: s, Index: s, Scale: 2}, s3)
	}
	return s, s3
}

// tile is the state of one integer micro-kernel while it is written.
type tile struct {
	format
	level level
	rows  int
	vecs  int // registers per row of sixteen outputs: two, with 512 bits one

	codes, scale, sums rowPointers
	panel              reg.GPVirtual
	ones               reg.VecVirtual
	ahead              reg.GPVirtual      // row 11
	next               []Mem              // rows 8 and 10 to 15 of the activations, which a later call reads and this one asks for; 9 has no address without another register
	acc                [][]reg.VecVirtual // [row][vec] integer sums of the group
	result             [][]reg.VecVirtual // [row][vec] the f32 sums, where registers suffice: dst is then touched at the ends only
}

func (t *tile) vec() reg.VecVirtual {
	if t.level > plain {
		return ZMM()
	}
	return YMM()
}

func (t *tile) width() int { // bytes
	if t.level > plain {
		return 64
	}
	return 32
}

// integerKernel writes dst[rows][16] = from[rows][16] + codes x panel over a run of groups.
//
// Layouts: panel [k/4][16 outputs][4] codes, below 1<<bits. scales [group][16] for symmetric formats, [group][scale, offset][16]
// otherwise. sums holds, per row and weight group, the float32 scale*sum for formats with an offset, else the int32 sum.
func integerKernel(f format, suffix string, l level, rows int) {
	TEXT(fmt.Sprintf("gemm%s%sx%d", f.name, suffix, rows), NOSPLIT,
		"func(dst *float32, dstStride int, panel *uint8, scales *float32, groups int, codes *int8, codeStride int, scale *float32, sums *float32, groupStride int, "+
			"from *float32, fromStride int)")
	Doc(fmt.Sprintf("gemm%s%sx%d writes to dst[%d][16] from plus codes x panel; see integerStrip for the arguments.", f.name, suffix, rows, rows))
	Pragma("noescape")

	t := &tile{format: f, level: l, rows: rows, vecs: 2}
	if l > plain {
		t.vecs = 1
	}
	cs, cs3 := strides("codeStride", rows)
	gs, gs3 := strides("groupStride", rows)
	var dst rowPointers
	from := t.rowsOf("from")
	if l > plain {
		t.result = t.accumulators(t.vecs)
		for r, row := range t.result {
			VMOVUPS(from.at(r, 0), row[0])
		}
	} else {
		dst = t.rowsOf("dst")
		CMPQ(from.base[0], dst.base[0])
		JEQ(LabelRef("there"))
		for r := range rows {
			for v := range t.vecs {
				start := t.vec()
				VMOVUPS(from.at(r, t.width()*v), start)
				VMOVUPS(start, dst.at(r, t.width()*v))
			}
		}
		Label("there")
	}
	t.codes = pointers("codes", rows, cs, cs3, 1)
	t.scale = pointers("scale", rows, gs, gs3, 1)
	t.sums = pointers("sums", rows, gs, gs3, 32/f.group)
	if l == vnni && rows == 8 {
		t.ahead = GP64()
		LEAQ(Mem{Base: t.codes.base[1], Index: cs, Scale: 4}, t.ahead)
		ADDQ(cs3, t.ahead)
		t.next = []Mem{{Base: t.codes.base[0], Index: cs, Scale: 8}, {Base: t.codes.base[1], Index: cs3, Scale: 2}, {Base: t.ahead}, {Base: t.ahead, Index: cs, Scale: 1},
			{Base: t.ahead, Index: cs, Scale: 2}, {Base: t.ahead, Index: cs3, Scale: 1}, {Base: t.ahead, Index: cs, Scale: 4}}
	}
	t.panel = GP64()
	Load(Param("panel"), t.panel)
	scales := GP64()
	Load(Param("scales"), scales)
	groups := GP64()
	Load(Param("groups"), groups)
	if f.bits != 6 && l != vnni {
		t.ones = t.vec()
		x := GP32()
		MOVL(U32(0x00010001), x)
		VMOVD(x, t.ones.AsX())
		VPBROADCASTD(t.ones.AsX(), t.ones)
	}

	perGroup := 64 // bytes of scales a weight group
	if f.affine() {
		perGroup = 128
	}
	Label("group")
	for sub := range 32 / f.group {
		if f.bits == 8 && l != vnni {
			for v := range t.vecs { // one register's outputs at a time: they need two accumulators
				t.dot8(v)
				t.scaleGroup(sub, v, scales, dst, sub*perGroup)
			}
			continue
		}
		t.dot(sub)
		t.scaleGroup(sub, 0, scales, dst, sub*perGroup)
	}
	t.codes.advance(32)
	if t.next != nil {
		ADDQ(U32(32), t.ahead)
	}
	t.scale.advance(4)
	t.sums.advance(4 * 32 / f.group)
	ADDQ(U32(32*16), t.panel)
	ADDQ(U32(perGroup*32/f.group), scales)
	DECQ(groups)
	JNZ(LabelRef("group"))
	if l > plain {
		dst := t.rowsOf("dst")
		for r, row := range t.result {
			VMOVUPS(row[0], dst.at(r, 0))
		}
	}
	VZEROUPPER()
	RET()
}

// rowsOf addresses the rows of dst or from.
func (t *tile) rowsOf(param string) rowPointers {
	s, s3 := strides(param+"Stride", t.rows)
	return pointers(param, t.rows, s, s3, 1)
}

// weights is the address of register v of step k, four k a step.
func (t *tile) weights(step, v int) Mem {
	return Mem{Base: t.panel, Disp: 64*step + t.width()*v}
}

// dot leaves in t.acc the exact products of one weight group.
func (t *tile) dot(sub int) {
	steps := t.group / 4
	first := sub * steps
	t.acc = t.accumulators(t.vecs)
	switch {
	case t.level == vnni:
		t.dotVNNI(first, steps)
	case t.bits == 4:
		t.dot4(first, steps)
	case t.bits == 6:
		t.dot6(first, steps)
	}
}

// dot4: a pair of products is at most 2*15*127, so the sixteen-bit sums of eight steps fit.
func (t *tile) dot4(first, steps int) {
	a, p := t.vec(), t.vec()
	for s := range steps {
		w := t.load(first + s)
		for r := range t.rows {
			t.broadcast(t.codes.at(r, 4*(first+s)), a)
			for v := range w {
				if s == 0 {
					VPMADDUBSW(a, w[v], t.acc[r][v])
					continue
				}
				VPMADDUBSW(a, w[v], p)
				VPADDW(p, t.acc[r][v], t.acc[r][v])
			}
		}
	}
	for r := range t.rows {
		for v := range t.acc[r] {
			VPMADDWD(t.ones, t.acc[r][v], t.acc[r][v])
		}
	}
}

// dot6: two pairs of products fit into sixteen bits, 4*63*127 = 32004, so every second step widens.
func (t *tile) dot6(first, steps int) {
	a, q := t.vec(), t.vec()
	ones := constant("gemmOnes", 0x00010001)
	for s := 0; s < steps; s += 2 {
		w0, w1 := t.load(first+s), t.load(first+s+1)
		for r := range t.rows {
			var p []reg.VecVirtual
			t.broadcast(t.codes.at(r, 4*(first+s)), a)
			for v := range w0 {
				p = append(p, t.vec())
				VPMADDUBSW(a, w0[v], p[v])
			}
			t.broadcast(t.codes.at(r, 4*(first+s+1)), a)
			for v := range w0 {
				VPMADDUBSW(a, w1[v], q)
				VPADDW(q, p[v], p[v])
				if s == 0 {
					VPMADDWD(ones, p[v], t.acc[r][v])
					continue
				}
				VPMADDWD(ones, p[v], p[v])
				VPADDD(p[v], t.acc[r][v], t.acc[r][v])
			}
		}
	}
}

// dot8 sums the products of the low and the high halves of the codes apart, each as dot4 does, for register v's outputs.
func (t *tile) dot8(v int) {
	low, high := t.accumulators(1), t.accumulators(1)
	a, p, l, h := t.vec(), t.vec(), t.vec(), t.vec()
	mask := constant("gemmNibbles", 0x0f0f0f0f)
	for s := range t.group / 4 {
		t.move(t.weights(s, v), h)
		t.and(mask, h, l)
		VPSRLW(U8(4), h, h)
		t.and(mask, h, h)
		for r := range t.rows {
			t.broadcast(t.codes.at(r, 4*s), a)
			if s == 0 {
				VPMADDUBSW(a, l, low[r][0])
				VPMADDUBSW(a, h, high[r][0])
				continue
			}
			VPMADDUBSW(a, l, p)
			VPADDW(p, low[r][0], low[r][0])
			VPMADDUBSW(a, h, p)
			VPADDW(p, high[r][0], high[r][0])
		}
	}
	for r := range t.rows {
		VPMADDWD(t.ones, low[r][0], low[r][0])
		VPMADDWD(constant("gemmSixteens", 0x00100010), high[r][0], high[r][0])
		VPADDD(high[r][0], low[r][0], low[r][0])
	}
	t.acc = low
}

// dotVNNI: one instruction multiplies four codes, up to 255, and adds to 32 bits.
func (t *tile) dotVNNI(first, steps int) {
	for r := range t.rows {
		VPXORD(t.acc[r][0], t.acc[r][0], t.acc[r][0])
	}
	for s := range steps {
		w := t.load(first + s)
		if first+s < len(t.next) {
			PREFETCHT1(t.next[first+s])
		}
		for r := range t.rows {
			VPDPBUSD_BCST(t.codes.at(r, 4*(first+s)), w[0], t.acc[r][0])
		}
	}
}

// accumulators returns rows x n registers.
func (t *tile) accumulators(n int) [][]reg.VecVirtual {
	acc := make([][]reg.VecVirtual, t.rows)
	for r := range acc {
		for range n {
			acc[r] = append(acc[r], t.vec())
		}
	}
	return acc
}

// broadcast fills a register with four codes. The floating-point form is a pure load on AMD's cores, where the integer
// form also takes a slot of the vector units (Zen 3: 16 against 23 cycles beside 64 logical operations).
func (t *tile) broadcast(from Mem, to reg.VecVirtual) {
	if t.level > plain {
		VPBROADCASTD(from, to)
	} else {
		VBROADCASTSS(from, to)
	}
}

func (t *tile) move(from Mem, to reg.VecVirtual) {
	if t.level > plain {
		VMOVDQU32(from, to)
	} else {
		VMOVDQU(from, to)
	}
}

func (t *tile) and(mask Mem, from, to reg.VecVirtual) {
	if t.level > plain {
		VPANDD(mask, from, to)
	} else {
		VPAND(mask, from, to)
	}
}

func (t *tile) load(step int) []reg.VecVirtual {
	w := make([]reg.VecVirtual, t.vecs)
	for v := range w {
		w[v] = t.vec()
		t.move(t.weights(step, v), w[v])
	}
	return w
}

// scaleWide is scaleGroup with the results in registers and broadcasts inside the products.
func (t *tile) scaleWide(sub int, scales reg.Register, off int) {
	s, o := t.vec(), t.vec()
	VMOVUPS(Mem{Base: scales, Disp: off}, s)
	if t.affine() {
		VMOVUPS(Mem{Base: scales, Disp: off + 64}, o)
	}
	p := t.vec()
	for r := range t.rows {
		acc, sum := t.acc[r][0], t.result[r][0]
		if !t.affine() {
			t.broadcast(t.sums.at(r, 4*sub), p)
			VPSLLD(U8(bits.TrailingZeros(uint(t.zero))), p, p)
			VPSUBD(p, acc, acc)
		}
		VCVTDQ2PS(acc, acc)
		VMULPS_BCST(t.scale.at(r, 0), s, p)
		VMULPS(p, acc, acc)
		VADDPS(acc, sum, sum)
		if t.affine() {
			VMULPS_BCST(t.sums.at(r, 4*sub), o, p)
			VADDPS(p, sum, sum)
		}
	}
}

// scaleGroup adds the group to dst, from register first of a row: float32(dot)*(scaleW*scaleA), then offset*sum.
func (t *tile) scaleGroup(sub, first int, scales reg.Register, dst rowPointers, off int) {
	if t.level > plain {
		t.scaleWide(sub, scales, off)
		return
	}
	var s []reg.VecVirtual
	for v := range t.acc[0] {
		s = append(s, t.vec())
		VMOVUPS(Mem{Base: scales, Disp: off + t.width()*(first+v)}, s[v])
	}
	a, p, z := t.vec(), t.vec(), t.vec()
	for r := range t.rows {
		if !t.affine() {
			t.broadcast(t.sums.at(r, 4*sub), z)
			VPSLLD(U8(bits.TrailingZeros(uint(t.zero))), z, z)
		} else {
			VBROADCASTSS(t.sums.at(r, 4*sub), z)
		}
		VBROADCASTSS(t.scale.at(r, 0), a)
		for v, acc := range t.acc[r] {
			if !t.affine() {
				VPSUBD(z, acc, acc)
			}
			VCVTDQ2PS(acc, acc)
			VMULPS(s[v], a, p)
			VMULPS(p, acc, acc)
			out := t.width() * (first + v)
			VADDPS(dst.at(r, out), acc, acc)
			if t.affine() {
				VMULPS(Mem{Base: scales, Disp: off + 64 + out}, z, p)
				VADDPS(p, acc, acc)
			}
			VMOVUPS(acc, dst.at(r, out))
		}
	}
}

var constants = map[string]Mem{}

// constant is 64 bytes of read-only data, every 32-bit lane v.
func constant(name string, v uint32) Mem {
	name += *isa
	m, ok := constants[name]
	if !ok {
		m = GLOBL(name, RODATA|NOPTR)
		for i := range 16 {
			DATA(4*i, U32(v))
		}
		constants[name] = m
	}
	return m
}
