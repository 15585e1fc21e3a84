package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"

	"github.com/spf13/cobra"

	"pith/engine"
)

// defaultTop is the number of tokens reported for a position where the question does not say.
const defaultTop = 20

func newInspectLogits() *cobra.Command {
	var jsonl bool
	var c computing
	var k caching
	cmd := &cobra.Command{
		Use:   "logits MODEL",
		Short: "Log-probabilities of the next token, and greedy continuations",
		Long: `{"tokens":[...],"positions":[...],"top":20} -> {"positions":[{"position":7,"top":[{"id":1,"logprob":-0.1},...]},...]}, most likely first. Positions default
to the last one; "top":0 gives the whole row as "logits"; "generate":48 adds "generated", greedy, not stopping at end tokens. With --kv and
"context":n the first n tokens are prefilled and compressed and the rest are fed after that, so that their logits come from the
compressed cache.`,
		Args: wants("MODEL"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := errors.Join(k.parse(), c.check()); err != nil {
				return err
			}
			e, err := openEngine(cmd.Context(), args[0], &c, mustBeHere)
			if err != nil {
				return err
			}
			defer e.Close()
			return interview(cmd, jsonl, func(q []byte) (answer, error) { return inspectLogits(cmd.Context(), e, &k, q) })
		},
	}
	cmd.Flags().BoolVar(&jsonl, "jsonl", false, "one object per line")
	c.register(cmd)
	k.register(cmd)
	return cmd
}

func inspectLogits(ctx context.Context, e *engine.Engine, k *caching, question []byte) (answer, error) {
	var q struct {
		Tokens    []int32 `json:"tokens"`
		Positions []int   `json:"positions"`
		Top       *int    `json:"top"`
		Generate  *int    `json:"generate"`
		Context   *int    `json:"context"`
	}
	if err := decodeQuestion(question, &q); err != nil {
		return nil, err
	}
	if err := checkTokens(q.Tokens, e.Config().Vocab); err != nil {
		return nil, err
	}
	n := len(q.Tokens)
	if q.Positions == nil {
		q.Positions = []int{n - 1}
	}
	for _, p := range q.Positions {
		if p < 0 || p >= n {
			return nil, fmt.Errorf("input: position %d: there are %d tokens", p, n)
		}
	}
	top, generate, split := defaultTop, 0, n
	for _, given := range []struct {
		name   string
		value  *int
		target *int
		most   int
	}{
		{"top", q.Top, &top, e.Config().Vocab}, {"generate", q.Generate, &generate, e.Config().Context}, {"context", q.Context, &split, n},
	} {
		if given.value == nil {
			continue
		}
		if *given.value < 0 || *given.value > given.most {
			return nil, fmt.Errorf("input: %s %d is outside 0 to %d", given.name, *given.value, given.most)
		}
		*given.target = *given.value
	}
	rows, generated, err := forward(ctx, e, k, q.Tokens, q.Positions, split, generate)
	if err != nil {
		return nil, err
	}
	for i, row := range rows {
		for id, v := range row {
			if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
				return nil, fmt.Errorf("logits: position %d, token %d: %v", q.Positions[i], id, v)
			}
		}
	}
	return func(w *bufio.Writer) error {
		w.WriteString(`{"positions":[`)
		for i, row := range rows {
			if i > 0 {
				w.WriteByte(',')
			}
			fmt.Fprintf(w, `{"position":%d,`, q.Positions[i])
			writeRow(w, row, top)
			w.WriteByte('}')
		}
		w.WriteByte(']')
		if q.Generate != nil {
			w.WriteString(`,"generated":`)
			writeInts(w, generated)
		}
		return w.WriteByte('}')
	}, nil
}

// forward reads tokens into a new sequence, the first split of them compressed by the recipe, and returns the logits at the positions
// and a greedy continuation.
func forward(ctx context.Context, e *engine.Engine, k *caching, tokens []int32, positions []int, split, generate int) (rows [][]float32, generated []int32, err error) {
	s, err := e.NewSequence(k.recipe, k.budget, len(tokens)+generate)
	if err != nil {
		return nil, nil, err
	}
	defer s.Close()
	at := map[int][]float32{}
	read := func(from, to int, compress bool) error {
		if from == to {
			return nil
		}
		o := engine.PrefillOptions{Compress: compress, Extra: len(tokens) - to + generate}
		for _, p := range positions {
			if p >= from && p < to {
				o.Logits = append(o.Logits, p-from)
			}
		}
		p, err := e.NewPrefill(tokens[from:to], o, s)
		if err != nil {
			return err
		}
		if err := p.Run(ctx); err != nil {
			return err
		}
		for row, logits := range p.Out {
			at[from+row] = logits
		}
		return nil
	}
	if err := read(0, split, true); err != nil {
		return nil, nil, err
	}
	if err := read(split, len(tokens), false); err != nil {
		return nil, nil, err
	}
	for _, p := range positions {
		rows = append(rows, at[p])
	}
	for len(generated) < generate {
		next := mostLikely(s.Logits())
		if generated = append(generated, next); len(generated) == generate {
			break
		}
		if err := ctx.Err(); err != nil {
			return nil, nil, err
		}
		if err := e.Step([]*engine.Sequence{s}, []int32{next}); err != nil {
			return nil, nil, err
		}
	}
	return rows, generated, nil
}

// mostLikely is the greedy choice, the lowest id among equals.
func mostLikely(logits []float32) int32 {
	best := 0
	for i, l := range logits {
		if l > logits[best] {
			best = i
		}
	}
	return int32(best)
}

// writeRow writes the most likely tokens of a row, or the whole row where top is 0.
func writeRow(w *bufio.Writer, row []float32, top int) {
	if top == 0 {
		w.WriteString(`"logits":[`)
		var buf []byte
		for i, v := range row {
			if buf = buf[:0]; i > 0 {
				buf = append(buf, ',')
			}
			w.Write(strconv.AppendFloat(buf, float64(v), 'g', -1, 32))
		}
		w.WriteByte(']')
		return
	}
	w.WriteString(`"top":[`)
	for i, c := range engine.TopLogProbs(row, top) {
		if i > 0 {
			w.WriteByte(',')
		}
		fmt.Fprintf(w, `{"id":%d,"logprob":%g}`, c.ID, c.LogProb)
	}
	w.WriteByte(']')
}

func writeInts[T ~int32 | ~int](w *bufio.Writer, list []T) {
	w.WriteByte('[')
	var buf []byte
	for i, v := range list {
		if buf = buf[:0]; i > 0 {
			buf = append(buf, ',')
		}
		w.Write(strconv.AppendInt(buf, int64(v), 10))
	}
	w.WriteByte(']')
}
