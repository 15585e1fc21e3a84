package method_test

import (
	"slices"
	"testing"

	"pith/policy"
)

// keptBy runs a recipe over a layer and returns what each head keeps.
func keptBy(t *testing.T, l *policy.Layer, spec string, base int) [][]int32 {
	t.Helper()
	recipe, err := policy.Parse(spec)
	if err != nil {
		t.Fatal(err)
	}
	run, err := recipe.NewRun(l.Tokens, l.Layers, base)
	if err != nil {
		t.Fatal(err)
	}
	plan, err := run.Layer(l)
	if err != nil {
		t.Fatal(err)
	}
	return plan.Keep[0].Heads
}

// A score that judges each entry by itself keeps the same entries in blocks and at once; recency keeps the newest.
func TestBlockwiseOfAScoreByEntryIsThatScore(t *testing.T) {
	x := newDense(t)
	for _, spec := range []string{"knorm", "knorm(sinks=3,recent=20)", "streamingllm"} {
		want := keptBy(t, x.l, spec, 90)
		for _, size := range []string{"1", "37", "128", "4096"} {
			if got := keptBy(t, x.l, spec+"+blockwise(size="+size+")", 90); !slices.EqualFunc(got, want, slices.Equal) {
				t.Errorf("%s in blocks of %s keeps other entries", spec, size)
			}
		}
	}
}

// Scores that compare entries are taken over what is kept and the block: here that is done by hand.
func TestBlockwiseKeyDiffIsTheFormula(t *testing.T) {
	x := newDense(t)
	const base, size = 90, 64
	got := keptBy(t, x.l, "keydiff+blockwise(size=64)", base)
	for h := range got {
		var kept []int32
		for j := range int32(base) {
			kept = append(kept, j)
		}
		for from := base; from < x.n; from += size {
			for j := from; j < min(from+size, x.n); j++ {
				kept = append(kept, int32(j))
			}
			part := *x.l
			part.Tokens, part.KVHeads, part.QHeads = len(kept), 1, x.g
			part.Keys = [][]float32{nil}
			for _, j := range kept {
				part.Keys[0] = append(part.Keys[0], x.l.Keys[h][int(j)*x.d:int(j+1)*x.d]...)
			}
			part.Values = part.Keys
			var next []int32
			for _, i := range keptBy(t, &part, "keydiff", base)[0] {
				next = append(next, kept[i])
			}
			kept = next
		}
		if !slices.Equal(got[h], kept) {
			t.Errorf("head %d keeps other entries", h)
		}
	}
}

func TestBlockwiseWindowsAreThoseOfTheBlock(t *testing.T) {
	x := newDense(t)
	part := x.l.Slice(0, 154) // one block of 64 after 90 entries: nothing else may count
	want := keptBy(t, part, "snapkv(window=16)", 90)
	if got := keptBy(t, part, "snapkv(window=16)+blockwise(size=64)", 90); !slices.EqualFunc(got, want, slices.Equal) {
		t.Error("the last block's window is not the prompt's")
	}
	all := keptBy(t, x.l, "tova+blockwise(size=64)", 90)
	for h := range all {
		if all[h][89] != int32(x.n-1) {
			t.Errorf("head %d: the newest entry is gone", h)
		}
	}
}
