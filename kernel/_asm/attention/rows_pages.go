package main

import (
	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Rows on several pages of memory, on AVX-512: one call walks a list of pages, and asks meanwhile for those of another list, each line once,
// at the pace of its own reading. A page is a kernel.RowPage.

const (
	pageRows  = 0 // address
	pageLen   = 8 // bytes
	pageCount = 24
	pageSize  = 32
)

const pagesParams = "pages, asks *byte, count, askCount"

// pageWalk keeps its state in the frame; only the address that is asked for next has a register.
type pageWalk struct {
	page, end            operand.Mem // the page at hand, the end of the list
	ask, askLast, askEnd operand.Mem // the page asked for, the last one, the end of this one's bytes
	ahead                reg.GPVirtual
}

func newPageWalk() *pageWalk {
	local := func() operand.Mem { return AllocLocal(8) }
	w := &pageWalk{local(), local(), local(), local(), local(), GP64()}
	t, u := GP64(), GP64()
	Load(Param("pages"), t)
	MOVQ(t, w.page)
	Load(Param("count"), u)
	SHLQ(operand.Imm(5), u)
	ADDQ(t, u)
	MOVQ(u, w.end)
	Load(Param("asks"), t)
	MOVQ(t, w.ask)
	Load(Param("askCount"), u)
	SHLQ(operand.Imm(5), u)
	LEAQ(indexed(t, u, 1, -pageSize), u)
	MOVQ(u, w.askLast)
	w.loadAsk(t)
	return w
}

func (w *pageWalk) loadAsk(t reg.GPVirtual) {
	MOVQ(at(t, pageRows), w.ahead)
	MOVQ(at(t, pageLen), t)
	ADDQ(w.ahead, t)
	MOVQ(t, w.askEnd)
}

// turn goes on to the next page that is asked for, where this one ends; the last one is asked for over and over, which costs little.
func (w *pageWalk) turn() {
	on, last := unique("ask"), unique("ask_last")
	CMPQ(w.ahead, w.askEnd)
	JB(operand.LabelRef(on))
	t := GP64()
	MOVQ(w.ask, t)
	CMPQ(t, w.askLast)
	JAE(operand.LabelRef(last))
	ADDQ(operand.Imm(pageSize), t)
	MOVQ(t, w.ask)
	Label(last)
	w.loadAsk(t)
	Label(on)
}

// each runs body for every page, with a register that holds the page's address in the list and that body may use up.
func (w *pageWalk) each(body func(page reg.GPVirtual)) {
	start, done := unique("page"), unique("pages_done")
	Label(start)
	t := GP64()
	MOVQ(w.page, t)
	CMPQ(t, w.end)
	JAE(operand.LabelRef(done))
	body(t)
	ADDQ(operand.Imm(pageSize), w.page)
	JMP(operand.LabelRef(start))
	Label(done)
}

const dotPagesSignature = "func(dst, q *float32, " + pagesParams + ", dstStride, d, rowBytes int)"

func dotPagesDoc(v isa, name string, heads int) string {
	return name + " writes the products of " + itoa(heads) + " queries q [heads][d] with the rows of count pages to dst, whose heads are dstStride bytes apart, and asks for askCount pages, at least 1. d is a multiple of " + itoa(v.lanes) + "."
}

// dotPages opens the loops over pages and rows of a dot kernel. Behind the last whole unit of a page its last rows are computed once more with those
// before them: a row alone costs twice its share.
func dotPages(v isa, name string, heads int, channels func(q, rows *strided, acc [][]reg.VecVirtual, d, ahead reg.GPVirtual)) {
	function(name, dotPagesSignature, dotPagesDoc(v, name, heads))
	left, whole := AllocLocal(8), AllocLocal(8)
	walk := newPageWalk()
	dst, q := ptr("dst"), ptr("q")
	dstStride, rowBytes := ptr("dstStride"), ptr("rowBytes")
	qStride := ptr("d")
	SHLQ(operand.Imm(2), qStride)
	queries := newStrided(q, qStride, heads)
	outs := newStrided(dst, dstStride, heads)
	rows := GP64()
	walk.each(func(page reg.GPVirtual) {
		MOVQ(at(page, pageRows), rows)
		MOVQ(at(page, pageCount), page)
		MOVQ(page, left)
		MOVQ(page, whole)
		unit := func(count int) {
			acc := make([][]reg.VecVirtual, heads)
			for h := range acc {
				acc[h] = v.regs(count)
				for _, r := range acc[h] {
					v.zero(r)
				}
			}
			d, from := ptr("d"), GP64()
			MOVQ(rows, from)
			channels(queries.clone(), newStrided(from, rowBytes, count), acc, d, walk.ahead)
			for h := range acc {
				sumRows(v, acc[h], func(r int) operand.Mem { return outs.at(h, 4*r) })
			}
			outs.advance(4 * count)
			step := GP64()
			IMUL3Q(operand.U32(uint32(count)), rowBytes, step)
			ADDQ(step, rows)
			SUBQ(operand.U32(uint32(count)), left)
			walk.turn()
		}
		count := v.rowsAtOnce(heads)
		units, rest, single, done := unique("units"), unique("rest"), unique("single"), unique("page_done")
		Label(units)
		CMPQ(left, operand.U32(uint32(count)))
		JLT(operand.LabelRef(rest))
		unit(count)
		JMP(operand.LabelRef(units))
		Label(rest)
		CMPQ(left, operand.Imm(0))
		JE(operand.LabelRef(done))
		CMPQ(whole, operand.U32(uint32(count)))
		JLT(operand.LabelRef(single))
		back := GP64()
		MOVQ(left, back)
		SUBQ(operand.U32(uint32(count)), back) // not positive
		LEAQ(indexed(outs.base, back, 4, 0), outs.base)
		IMULQ(rowBytes, back)
		ADDQ(back, rows)
		MOVQ(operand.U32(uint32(count)), left)
		JMP(operand.LabelRef(units))
		Label(single)
		unit(1)
		JMP(operand.LabelRef(rest))
		Label(done)
	})
	ret()
}

const accumulatePagesSignature = "func(acc, weights *float32, " + pagesParams + ", weightStride, d, rowBytes int)"

func accumulatePagesDoc(v isa, name string, heads int) string {
	return name + " adds the weighted sums of the rows of count pages to acc [" + itoa(heads) + "][d], and asks for askCount pages, at least 1; the weights of the heads are weightStride bytes apart. d is a multiple of " + itoa(v.lanes) + "."
}

// accumulatePages is accumulatePlain over pages.
func accumulatePages(v isa, f rowFormat, heads int) {
	name := "accumulateRows" + f.name + "x" + itoa(heads) + v.name
	function(name, accumulatePagesSignature, accumulatePagesDoc(v, name, heads))
	walk := newPageWalk()
	weights, weightStride, rowBytes := ptr("weights"), ptr("weightStride"), ptr("rowBytes")
	accStride := ptr("d")
	SHLQ(operand.Imm(2), accStride)
	acc := GP64()
	out := newStrided(acc, accStride, heads)
	w := newStrided(weights, weightStride, heads)
	rows := GP64()
	walk.each(func(page reg.GPVirtual) {
		MOVQ(at(page, pageRows), rows)
		Load(Param("acc"), out.base)
		d := ptr("d")
		for _, vectors := range []int{v.vectorsAtOnce(heads), 1} {
			loop("channels", d, v.lanes*vectors, func() {
				sums := loadSums(v, out, heads, vectors)
				from, left := GP64(), GP64()
				MOVQ(rows, from)
				MOVQ(walk.page, left)
				MOVQ(at(left, pageCount), left)
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
					v.prefetchPart(walk.ahead, 0, 1, v.lanes*f.bytes*vectors)
					walk.turn()
					ADDQ(rowBytes, from)
					ws.advance(4)
				})
				storeSums(v, out, sums)
				out.advance(v.bytes() * vectors)
				ADDQ(operand.U32(uint32(v.lanes*f.bytes*vectors)), rows)
			})
		}
		n := GP64()
		MOVQ(walk.page, n)
		MOVQ(at(n, pageCount), n)
		LEAQ(indexed(w.base, n, 4, 0), w.base)
	})
	ret()
}
