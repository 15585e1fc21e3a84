package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"pith/engine"
	"pith/kvcache"
	"pith/policy"
)

func newInspectKept() *cobra.Command {
	var jsonl, scores bool
	var c computing
	var k caching
	cmd := &cobra.Command{
		Use:   "kept MODEL --kv SPEC --keep N|P%",
		Short: "The entries that a recipe keeps of a prompt",
		Long: `{"tokens":[...]} -> {"layers":[{"heads":[{"positions":[...]},...]},...],"bytes":n,"full_bytes":m}. With propagation each layer carries "seen", the positions
that reached it. --scores adds each head's "scores", one per position that the layer saw, null where an entry is kept or dropped without
one.`,
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
			return interview(cmd, jsonl, func(q []byte) (answer, error) { return inspectKept(cmd.Context(), e, &k, scores, q) })
		},
	}
	cmd.Flags().BoolVar(&jsonl, "jsonl", false, "one object per line")
	cmd.Flags().BoolVar(&scores, "scores", false, "add what each entry was worth")
	c.register(cmd)
	k.register(cmd)
	return cmd
}

// keptLayer is what one layer saw and what it made of it.
type keptLayer struct {
	seen      []kvcache.Position
	positions [][]kvcache.Position // [head]
	scored    *policy.Scored       // nil where nothing was scored
}

func inspectKept(ctx context.Context, e *engine.Engine, k *caching, scores bool, question []byte) (answer, error) {
	var q struct {
		Tokens []int32 `json:"tokens"`
	}
	if err := decodeQuestion(question, &q); err != nil {
		return nil, err
	}
	if err := checkTokens(q.Tokens, e.Config().Vocab); err != nil {
		return nil, err
	}
	s, err := e.NewSequence(k.recipe, k.budget, len(q.Tokens))
	if err != nil {
		return nil, err
	}
	defer s.Close()
	layers := make([]keptLayer, e.Config().Layers)
	o := engine.PrefillOptions{Compress: true,
		Seen: func(layer int, seen []kvcache.Position) { layers[layer].seen = slices.Clone(seen) },
	}
	if scores {
		o.Scores = func(sc *policy.Scored) { layers[sc.Layer].scored = sc }
	}
	p, err := e.NewPrefill(q.Tokens, o, s)
	if err != nil {
		return nil, err
	}
	if err := p.Run(ctx); err != nil {
		return nil, err
	}
	for l := range layers {
		for h := range e.Config().KVHeads {
			layers[l].positions = append(layers[l].positions, s.Positions(l, h))
		}
	}
	seen := k.recipe != nil && k.recipe.Propagate != nil
	used, full := s.Bytes(), s.FullBytes()
	return func(w *bufio.Writer) error {
		w.WriteString(`{"layers":[`)
		for l := range layers {
			if l > 0 {
				w.WriteByte(',')
			}
			layers[l].write(w, seen, scores)
		}
		fmt.Fprintf(w, `],"bytes":%d,"full_bytes":%d}`, used, full)
		return nil
	}, nil
}

func (k *keptLayer) write(w *bufio.Writer, seen, scores bool) {
	w.WriteByte('{')
	if seen {
		w.WriteString(`"seen":`)
		writeInts(w, k.seen)
		w.WriteByte(',')
	}
	w.WriteString(`"heads":[`)
	for h, positions := range k.positions {
		if h > 0 {
			w.WriteByte(',')
		}
		w.WriteString(`{"positions":`)
		writeInts(w, positions)
		if scores {
			w.WriteString(`,"scores":`)
			k.writeScores(w, h)
		}
		w.WriteByte('}')
	}
	w.WriteString(`]}`)
}

// writeScores writes one score per position seen; pinned entries (or those that a method marks by an infinite score), and layers that no
// recipe decides, have none.
func (k *keptLayer) writeScores(w *bufio.Writer, head int) {
	w.WriteByte('[')
	for j := range k.seen {
		if j > 0 {
			w.WriteByte(',')
		}
		if k.scored == nil || k.scored.IsPinned(j) || math.IsInf(float64(k.scored.Scores[head][j]), 0) {
			w.WriteString("null")
			continue
		}
		w.WriteString(strconv.FormatFloat(float64(k.scored.Scores[head][j]), 'g', -1, 32))
	}
	w.WriteByte(']')
}
