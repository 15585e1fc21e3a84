// Package kvcache owns the memory of the key/value cache: one pool of equal pages under one byte budget, and on top of
// it ragged lanes. A lane is the cache of one sequence, one layer and one KV head; lanes of a layer may differ in length,
// in storage format, even in the number of key channels they hold.
//
// Guarantees:
//
//   - A page is a fixed number of bytes; the storage format decides how many entries fit. f32, f16, bf16, q8 and the
//     grouped low-bit formats share one free list. Handing out or taking back a page is O(1).
//   - The pool never exceeds its budget. Running out is [ErrBudget], and the call that ran out has changed nothing.
//   - A dropped entry frees bytes: [Lane.Keep] compacts in place (O(entries), no page is ever needed for it) and hands
//     back the pages at the end. Survivors keep their stored values bit for bit, in grouped formats too: a thinned group
//     keeps its scales and holds fewer codes (Keep never re-encodes).
//   - Freed pages go back to the operating system in batches of a mebibyte, so resident memory follows use. [Pool.Trim] does it at
//     once.
//   - Bytes are measured, never estimated: positions, scales, side columns and bounds lie in pages, and every page
//     handed out counts whole. Beside them the Go heap holds four bytes for a page and eight for a group.
//   - Attention over a lane has the same bits for any page size, and for any number of threads that share it: softmax and
//     weighted sums go over pieces of at most [PieceSlots] slots, cut by length alone, in ascending order.
//   - A decode step (AppendOne, Attend, AddColumn) allocates nothing on the Go heap.
//
// Lifecycle: NewPool, Reserve (admission), NewCache, Attach, Append after each prefill layer, AppendOne and Attend in
// decode, Keep whenever a method evicts, Settle now and then where a residual grows, Free. Different lanes may be used concurrently; one lane may be read
// concurrently (Attend, Gather) but not while it is changed. The pool itself is safe for concurrent use.
//
// Keys lie rotated at their original positions (StreamingLLM, arXiv 2309.17453, is the one method that would differ and says so); every entry
// carries its original position, which is never renumbered.
package kvcache
