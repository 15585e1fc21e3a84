package main

import (
	"fmt"
	"math"

	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// group512File makes attention over one grouped block in one call: operands are folded into the frame, multiplied with the panel, and
// the sums leave as scores or join what is there.
func group512File() {
	for _, vnni := range []bool{false, true} {
		for bits := 2; bits <= 4; bits++ {
			for heads := 1; heads <= 4; heads++ {
				(&groupBlock{bits: bits, heads: heads, vnni: vnni}).make()
			}
		}
	}
}

const (
	maxSlots = 512
	// planeBytes is the distance of the heads' folded operands in the frame.
	planeBytes = 2 * maxSlots
	// aheadLines of 64 bytes are asked for at a time.
	aheadLines = 3
)

// groupBlock is one routine. With VNNI an operand is two bytes, which VPDPBUSD takes apart: the upper, signed, times codes as unsigned
// bytes, and the lower, unsigned, times codes as signed ones. Four slots a product, and half the shifts that pairs of 16-bit codes need.
type groupBlock struct {
	bits, heads int
	vnni        bool

	operands reg.GPVirtual // of the block that is multiplied, see frame
	ahead    reg.GPVirtual
	zero     reg.VecVirtual
	frame    operand.Mem
}

// The frame: state, then, at an address divisible by planeBytes, folded operands [heads][planeBytes], then scalars. Where blocks follow each other,
// those of one lie in the lower halves and those of the next in the upper ones.
const (
	stateX = 8 * iota
	stateBlock
	stateDst
	stateTo
	stateCodes
	stateLanes
	stateBlocks  // left to fold
	statePending // there is a block between first and second pass
	stateBytes
)

func (b *groupBlock) state(at int) operand.Mem { return b.frame.Offset(at) }

// scalar is the place of a head's unit, bias or factor, i being 0, 1, 2.
func (b *groupBlock) scalar(operands reg.Register, head, i int) operand.Mem {
	return at(operands, planeBytes*b.heads+16*head+4*i)
}

// make interleaves blocks: the first pass over the operands of the next one comes before the panel of this one, and the second pass between its
// parts, so that products hide the latency of both.
func (b *groupBlock) make() {
	tier := "AVX512"
	if b.vnni {
		tier = "VNNI"
	}
	name := "groupBlocks" + itoa(b.bits) + "x" + itoa(b.heads) + tier
	TEXT(name, 0, "func(dst *float32, dstStride, dstStep int, x *float32, xStride, xStep, live int, block *byte, blockStep, blocks, slots, lanes, add, ahead, aheadStep int)")
	Pragma("noescape")
	Doc(name + " multiplies " + itoa(b.heads) + " operands x, of live numbers and xStride bytes apart, with lanes lanes of a block, whose steps, minima " +
		"and panel have the given number of slots. The products go to dst, whose heads are dstStride bytes apart, or are added if add is not 0. Then the same for " +
		"further blocks, with each of which dst, x and block move on by steps in bytes; slots are at most 256 if there are several. For every four slots of " +
		"four octets, or of what there is, 192 bytes are asked for, ahead bytes behind block and each time aheadStep further on.")
	b.frame = AllocLocal(stateBytes + planeBytes - 8 + (b.heads+1)*planeBytes)
	b.operands = GP64()
	LEAQ(b.frame.Offset(stateBytes+planeBytes-8), b.operands)
	ANDQ(operand.I32(-planeBytes), b.operands)
	for _, v := range []struct {
		name  string
		state int
	}{{"x", stateX}, {"block", stateBlock}, {"dst", stateDst}, {"blocks", stateBlocks}} {
		MOVQ(ptr(v.name), b.state(v.state))
	}
	b.ahead = ptr("ahead")
	ADDQ(param("block"), b.ahead)
	b.zero = ZMM() // avo takes VPXORD to read its operand: a register cleared where it is needed would be live all along
	VPXORD(b.zero, b.zero, b.zero)
	MOVQ(operand.U32(0), b.state(stateLanes))

	Label("next")
	CMPQ(b.state(stateBlocks), operand.U32(0))
	JE(operand.LabelRef("part"))
	b.measure()
	MOVQ(operand.U32(1), b.state(statePending))
	Label("part")
	lanes := GP64()
	MOVQ(b.state(stateLanes), lanes)
	CMPQ(lanes, operand.U32(0))
	JLE(operand.LabelRef("fold"))
	CMPQ(lanes, operand.U32(16))
	JG(operand.LabelRef("wide"))
	b.panel(1)
	JMP(operand.LabelRef("fold"))
	Label("wide")
	b.panel(2)
	Label("fold")
	CMPQ(b.state(statePending), operand.U32(0))
	JE(operand.LabelRef("folded"))
	b.fold()
	MOVQ(operand.U32(0), b.state(statePending))
	Label("folded")
	CMPQ(b.state(stateLanes), operand.U32(0))
	JG(operand.LabelRef("part"))

	// This block is done, the next one is folded, if there is one.
	CMPQ(b.state(stateBlocks), operand.U32(0))
	JE(operand.LabelRef("done"))
	DECQ(b.state(stateBlocks))
	XORQ(operand.U32(planeBytes/2), b.operands)
	t, block := GP64(), GP64()
	MOVQ(ptr("lanes"), b.state(stateLanes))
	MOVQ(b.state(stateDst), t)
	MOVQ(t, b.state(stateTo))
	ADDQ(param("dstStep"), t)
	MOVQ(t, b.state(stateDst))
	MOVQ(b.state(stateBlock), block)
	MOVQ(ptr("slots"), t)
	LEAQ(indexed(block, t, 4, 0), t)
	MOVQ(t, b.state(stateCodes))
	ADDQ(param("blockStep"), block)
	MOVQ(block, b.state(stateBlock))
	MOVQ(b.state(stateX), t)
	ADDQ(param("xStep"), t)
	MOVQ(t, b.state(stateX))
	JMP(operand.LabelRef("next"))
	Label("done")
	ret()
}

// param is the memory of a parameter.
func param(name string) operand.Mem {
	m, err := Param(name).Resolve()
	if err != nil {
		panic(err)
	}
	return m.Addr
}

// operandsOfNext is where the next block's operands belong.
func (b *groupBlock) operandsOfNext() reg.GPVirtual {
	r := GP64()
	MOVQ(b.operands, r)
	XORQ(operand.U32(planeBytes/2), r)
	return r
}

// measure is the first half of foldGeneric for all heads: units, biases and factors.
func (b *groupBlock) measure() {
	heads := b.heads
	top, part := avx512.regs(heads), make([]reg.VecVirtual, heads)
	for h := range heads {
		part[h] = YMM()
		VMOVDQA32(b.zero, top[h])
		VMOVDQA32(b.zero.(reg.Vec).AsY(), part[h])
	}
	abs := avx512.bits("magnitude1", 1<<31-1)
	x, steps, mins, left := GP64(), GP64(), GP64(), ptr("live")
	MOVQ(b.state(stateX), x)
	xs := newStrided(x, ptr("xStride"), heads)
	MOVQ(b.state(stateBlock), steps)
	MOVQ(ptr("slots"), mins)
	LEAQ(indexed(steps, mins, 2, 0), mins)
	each := func(load loader) {
		s := load(VCVTPH2PS, VCVTPH2PS_Z, at(steps, 0))
		m := load(VCVTPH2PS, VCVTPH2PS_Z, at(mins, 0))
		for h := range heads {
			v, f, t := load(VMOVUPS, VMOVUPS_Z, xs.at(h, 0)), ZMM(), YMM()
			VMULPS(s, v, f)
			VANDPS(abs, f, f)
			VMAXPS(f, top[h], top[h])
			VMULPS(m, v, v)
			VADDPS(v.(reg.Vec).AsY(), part[h], part[h])
			VEXTRACTF64X4(operand.Imm(1), v, t)
			VADDPS(t, part[h], part[h])
		}
	}
	loop("largest", left, 16, func() {
		each(whole)
		xs.advance(64)
		ADDQ(operand.U32(32), steps)
		ADDQ(operand.U32(32), mins)
	})
	done := unique("largest_all")
	TESTQ(left, left)
	JE(operand.LabelRef(done))
	mask := K()
	lowMask(left, mask)
	each(masked(mask))
	Label(done)

	to := b.operandsOfNext()
	limit, lowest := XMM(), XMM()
	VMOVSS(constant("foldLimit", math.Float32bits(foldLimit)), limit)
	VMOVSS(constant("foldLowest", math.Float32bits(foldLowest)), lowest)
	for h := range heads {
		x := XMM()
		VEXTRACTF32X4(operand.Imm(1), part[h], x)
		VADDPS(part[h].(reg.Vec).AsX(), x, x)
		foldToLane(x, VADDPS)
		VMOVSS(x, b.scalar(to, h, 1))
		t, u := avx512.foldTo128(top[h], VMAXPS), XMM()
		foldToLane(t, VMAXPS)
		VMAXSS(lowest, t, t)
		VDIVSS(limit, t, u)
		VMOVSS(u, b.scalar(to, h, 0))
		VDIVSS(t, limit, u)
		VMOVSS(u, b.scalar(to, h, 2))
	}
}

// loader loads a vector of sixteen, or what a mask leaves of it.
type loader func(op func(...operand.Op), masked func(m, k, r operand.Op), m operand.Mem) reg.VecVirtual

func whole(op func(...operand.Op), _ func(m, k, r operand.Op), m operand.Mem) reg.VecVirtual {
	r := ZMM()
	op(m, r)
	return r
}

func masked(mask reg.Register) loader {
	return func(_ func(...operand.Op), op func(m, k, r operand.Op), m operand.Mem) reg.VecVirtual {
		r := ZMM()
		op(m, mask, r)
		return r
	}
}

// fold is the second half: the operands, in the order in which the panel takes them.
func (b *groupBlock) fold() {
	heads := b.heads
	to, out, x, steps, left := b.operandsOfNext(), GP64(), GP64(), GP64(), ptr("live")
	MOVQ(to, out)
	MOVQ(b.state(stateX), x)
	xs := newStrided(x, ptr("xStride"), heads)
	MOVQ(b.state(stateBlock), steps)
	inv := avx512.regs(heads)
	for h := range heads {
		VBROADCASTSS(b.scalar(to, h, 2), inv[h])
	}
	var split reg.VecVirtual
	if b.vnni {
		split = YMM()
		VMOVDQU32(splitTable(), split)
	}
	each := func(load loader) {
		s := load(VCVTPH2PS, VCVTPH2PS_Z, at(steps, 0))
		for h := range heads {
			v, y := load(VMOVUPS, VMOVUPS_Z, xs.at(h, 0)), YMM()
			VMULPS(s, v, v)
			VMULPS(inv[h], v, v)
			VCVTPS2DQ(v, v)
			VPMOVSDW(v, y)
			if b.vnni {
				if b.bits < 4 {
					VPERMQ(operand.Imm(0xd8), y, y) // slots 0-3, 8-11; 4-7, 12-15
				}
				VPSHUFB(split, y, y)
			}
			VMOVDQU32(y, at(out, planeBytes*h))
		}
		ADDQ(operand.U32(32), out)
	}
	loop("round", left, 16, func() {
		each(whole)
		xs.advance(64)
		ADDQ(operand.U32(32), steps)
	})
	done := unique("round_all")
	TESTQ(left, left)
	JE(operand.LabelRef(done))
	mask := K()
	lowMask(left, mask)
	each(masked(mask))
	Label(done)
	// What is left of the slots has no operand.
	end := GP64()
	MOVQ(ptr("slots"), end)
	LEAQ(indexed(to, end, 2, 0), end)
	next, rest := unique("nothing"), unique("nothing_done")
	Label(next)
	CMPQ(out, end)
	JAE(operand.LabelRef(rest))
	for h := range heads {
		VMOVDQU32(b.zero.(reg.Vec).AsY(), at(out, planeBytes*h))
	}
	ADDQ(operand.U32(32), out)
	JMP(operand.LabelRef(next))
	Label(rest)
}

// lowMask sets the lowest n of 16 bits, all if n is larger.
func lowMask(n reg.GPVirtual, k reg.Register) {
	t := GP32()
	MOVL(operand.U32(0xffff), t)
	BZHIL(n.As32(), t, t)
	KMOVW(t, k)
}

// splitTable turns eight operands of 16 bits, a to h, into the lower bytes of aebf cgdh and then the upper ones: bytes as masks leave them of
// words of codes. With 4 bits a to h are slots 0 to 7, with 2 bits slots 0 to 3 and 8 to 11, and in the next eight 4 to 7 and 12 to 15.
func splitTable() operand.Mem {
	m, ok := vectorConstants["split"]
	if !ok {
		m = GLOBL("split", RODATA|NOPTR)
		for i := range 32 {
			word := []int{0, 4, 1, 5, 2, 6, 3, 7}[i%8]
			DATA(i, operand.U8(uint8(2*word+i%16/8)))
		}
		vectorConstants["split"] = m
	}
	return m
}

// panel multiplies two octets, or four, with two pairs, if there are three: accumulators [two octets][head] of 16 lanes of int32, with VNNI one for the lower
// and one for the upper bytes. Where there is no second of a pair the first is taken twice and its lanes are not stored.
func (b *groupBlock) panel(pairs int) {
	lanes, octet := GP64(), ptr("slots")
	MOVQ(b.state(stateLanes), lanes)
	IMUL3Q(operand.U32(uint32(b.bits)), octet, octet)
	acc := b.octets(pairs, lanes, octet)
	dst := GP64()
	MOVQ(b.state(stateTo), dst)
	outs := newStrided(dst, ptr("dstStride"), b.heads)
	add := ptr("add")
	for o := range acc {
		mask, n := K(), GP64()
		MOVQ(lanes, n)
		if o > 0 {
			SUBQ(operand.U32(uint32(16*o)), n)
		}
		lowMask(n, mask)
		for h, a := range acc[o] {
			sums := a[0]
			if b.vnni {
				VPSLLD(operand.Imm(8), a[1], a[1])
				VPADDD(a[1], sums, sums)
			}
			VCVTDQ2PS(sums, sums)
			VMULPS_BCST(b.scalar(b.operands, h, 0), sums, sums)
			VADDPS_BCST(b.scalar(b.operands, h, 1), sums, sums)
			to, store := outs.at(h, 64*o), unique("store")
			TESTQ(add, add)
			JE(operand.LabelRef(store))
			have := ZMM()
			VMOVUPS_Z(to, mask, have)
			VADDPS(sums, have, sums)
			Label(store)
			VMOVUPS(sums, mask, to)
		}
	}
	ADDQ(operand.U32(uint32(64*pairs)), b.state(stateTo))
	SUBQ(operand.U32(uint32(16*pairs)), b.state(stateLanes))
	SHLQ(operand.Imm(uint64(pairs)), octet) // 2*pairs octets
	ADDQ(octet, b.state(stateCodes))
}

// octets multiplies 2*pairs octets at codes with the operands; the sums are [pair][head][1, or with VNNI lower and upper byte].
func (b *groupBlock) octets(pairs int, lanes, octetBytes reg.GPVirtual) [][][]reg.VecVirtual {
	from, last, missing := GP64(), GP64(), GP64()
	MOVQ(b.state(stateCodes), from)
	MOVQ(octetBytes, last)
	XORQ(missing, missing)
	if pairs == 2 {
		LEAQ(indexed(octetBytes, octetBytes, 2, 0), last)
		LEAQ(indexed(octetBytes, octetBytes, 1, 0), missing)
	}
	CMPQ(lanes, operand.U32(uint32(16*pairs-7)))
	CMOVQLT(missing, last)
	// words loads a word of two octets into a register each.
	words := func(disp int) []reg.VecVirtual {
		at := []operand.Mem{at(from, disp), indexed(from, last, 1, disp)}
		if pairs == 2 {
			at = []operand.Mem{at[0], indexed(from, octetBytes, 1, disp), indexed(from, octetBytes, 2, disp), at[1]}
		}
		w := avx512.regs(pairs)
		for o := range w {
			VBROADCASTI64X4(at[2*o], w[o]) // not a load of its lower half: avo would take the upper one to live on from before
			VINSERTI64X4(operand.Imm(1), at[2*o+1], w[o], w[o])
		}
		return w
	}

	products := 1
	if b.vnni {
		products = 2
	}
	acc := make([][][]reg.VecVirtual, pairs)
	for o := range acc {
		acc[o] = make([][]reg.VecVirtual, b.heads)
		for h := range acc[o] {
			acc[o][h] = avx512.regs(products)
			for _, r := range acc[o][h] {
				VMOVDQA32(b.zero, r)
			}
		}
	}
	x, left := GP64(), GP64()
	MOVQ(b.operands, x)
	Load(Param("slots"), left)
	unit := 32 / b.bits
	if b.bits == 3 {
		unit = 32
	}
	// take multiplies the k-th codes of a unit: of two slots, with VNNI of four.
	take := func(c []reg.VecVirtual, k int) {
		if b.vnni || k%2 == 0 {
			for i := range aheadLines {
				PREFETCHT0(at(b.ahead, 64*i))
			}
			ADDQ(param("aheadStep"), b.ahead)
		}
		for h := range b.heads {
			at := func(disp int) operand.Mem { return at(x, planeBytes*h+disp) }
			if !b.vnni {
				w := ZMM()
				VPBROADCASTD(at(4*k), w)
				for o := range c {
					t := ZMM()
					VPMADDWD(c[o], w, t)
					VPADDD(t, acc[o][h][0], acc[o][h][0])
				}
				continue
			}
			lower, upper := ZMM(), ZMM()
			VPBROADCASTD(at(16*(k/2)+4*(k%2)), lower)
			VPBROADCASTD(at(16*(k/2)+4*(k%2)+8), upper)
			for o := range c {
				VPDPBUSD(c[o], lower, acc[o][h][0])
				VPDPBUSD(upper, c[o], acc[o][h][1])
			}
		}
	}
	mask := codeMask(b.pattern(1<<b.bits - 1))
	var low2 reg.VecVirtual
	if b.bits == 3 {
		low2 = codeMask(b.pattern(3))
	}
	loop("slots", left, unit, func() {
		size := 32
		if b.bits == 3 {
			size = 96
			b.threeBits(words, low2, mask, take)
		} else {
			w := words(0)
			for k := range b.steps() {
				c := avx512.regs(pairs)
				for o := range c {
					if k == 0 {
						VPANDD(mask, w[o], c[o])
						continue
					}
					VPSRLD(operand.Imm(uint64(b.bits*k)), w[o], c[o])
					VPANDD(mask, c[o], c[o])
				}
				take(c, k)
			}
		}
		ADDQ(operand.U32(uint32(2*unit)), x)
		ADDQ(operand.U32(uint32(size)), from)
	})
	return acc
}

// steps is the number of codes that lie side by side in a byte, or, without VNNI, in 16 bits, of a word.
func (b *groupBlock) steps() int {
	bits := min(b.bits, 2)
	if b.bits == 4 {
		bits = 4
	}
	if b.vnni {
		return 8 / bits
	}
	return 16 / bits
}

// pattern repeats a code's bits in every byte, or every 16 bits, of a word.
func (b *groupBlock) pattern(bits uint32) uint32 {
	if b.vnni {
		return bits * 0x01010101
	}
	return bits * 0x10001
}

// threeBits takes 32 slots: two words of lower bits and one of upper bits.
func (b *groupBlock) threeBits(words func(disp int) []reg.VecVirtual, low2, all reg.VecVirtual, take func(c []reg.VecVirtual, k int)) {
	upper := words(64)
	for half := range 2 {
		lower := words(32 * half)
		high := upper
		if b.vnni {
			// Bits j and j+4 of byte half become bit j of two bytes, and so those of byte 2+half.
			high = avx512.regs(len(upper))
			for o := range high {
				t := ZMM()
				VPSHUFB(spreadTable(half), upper[o], high[o])
				VPSRLW(operand.Imm(4), high[o], t)
				VPTERNLOGD_BCST(operand.Imm(0xe4), constant("evenBytes", 0x00ff00ff), t, high[o]) // even ? high : t
			}
		}
		for k := range b.steps() {
			j := k // the place of the upper bit
			if !b.vnni {
				j += 8 * half
			}
			c := avx512.regs(len(lower))
			for o := range c {
				t := high[o]
				if j != 2 {
					t = ZMM()
					if j < 2 {
						VPSLLD(operand.Imm(uint64(2-j)), high[o], t)
					} else {
						VPSRLD(operand.Imm(uint64(j-2)), high[o], t)
					}
				}
				if k == 0 {
					VMOVDQA32(lower[o], c[o])
				} else {
					VPSRLD(operand.Imm(uint64(2*k)), lower[o], c[o])
				}
				VPTERNLOGD(operand.Imm(0xe2), t, low2, c[o]) // low2 ? c : t
				VPANDD(all, c[o], c[o])
			}
			take(c, b.steps()*half+k)
		}
	}
}

// spreadTable takes byte half of a word twice, then byte 2+half twice.
func spreadTable(half int) operand.Mem {
	name := "spread" + itoa(half)
	m, ok := vectorConstants[name]
	if !ok {
		m = GLOBL(name, RODATA|NOPTR)
		for i := range 64 {
			DATA(i, operand.U8(uint8(i%16&^3+half+i&2)))
		}
		vectorConstants[name] = m
	}
	return m
}

func codeMask(bits uint32) reg.VecVirtual { return avx512.bits(fmt.Sprintf("codes%x", bits), bits) }
