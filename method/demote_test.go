package method_test

import (
	"slices"
	"strings"
	"testing"

	"pith/engine"
	"pith/policy"
)

// Of the entries in more bits the newest half of the budget and the highest sums stay; what lies in fewer bits is neither ranked nor ordered again,
// whatever its sum.
func TestClassifyingAgainRanksOnlyWhatIsInMoreBits(t *testing.T) {
	r, err := policy.Parse("mikv(every=100)")
	if err != nil {
		t.Fatal(err)
	}
	run, err := r.NewRun(10, 1, 4)
	if err != nil {
		t.Fatal(err)
	}
	sums := []float32{9, 1, 8, 2, 7, 3, 6, 4, 5, 0}
	low := make([]bool, 10)
	low[0], low[4], low[7] = true, true, true
	l := &policy.Layer{Layers: 1, Decided: 1, Tokens: 10, Prompt: 10, QHeads: 1, KVHeads: 1, HeadDim: 2, Low: [][]bool{low},
		ColumnSums: func(float64) [][]float32 { return [][]float32{sums} }, Keys: [][]float32{make([]float32, 20)}, Values: [][]float32{make([]float32, 20)}}
	k, err := run.Again(l)
	if err != nil {
		t.Fatal(err)
	}
	if want := []int32{2, 6, 8, 9}; !slices.Equal(k.Heads[0], want) {
		t.Errorf("%v stay, want %v", k.Heads[0], want)
	}
	if want := []int32{1, 3, 5}; !slices.Equal(k.Demoted[0], want) {
		t.Errorf("%v go down, want %v", k.Demoted[0], want)
	}
}

// After every classification exactly the share of all tokens lies in more bits, between two at most as many more as were generated since; nothing is
// lost, and what the pool hands out is what lanes of so many entries take.
func TestClassifyingAgainKeepsTheShareAtEveryStep(t *testing.T) {
	const prompt, steps = 200, 120
	for _, model := range tinyModels {
		e := openTiny(t, model, engine.Options{Exact: true, Threads: 2})
		c := e.Config()
		for _, spec := range append(conformanceSpecs(t), "mikv(every=50)", "snapkv(window=8)+demote(bits=8)+every(steps=40)+f16") {
			r, err := policy.Parse(spec)
			if err != nil {
				t.Fatal(err)
			}
			if !r.Reclassifies() {
				continue
			}
			for _, keep := range []string{"25%", "40", "100%"} {
				share, _ := policy.ParseShare(keep)
				s := prefilled(t, e, spec, keep, text(prompt), steps)
				since, at := 0, prompt // generated since the last classification, and the tokens that it saw
				for i := range steps {
					if err := e.Step([]*engine.Sequence{s}, []int32{int32(i*7) % 300}); err != nil {
						t.Fatal(err)
					}
					if since++; since == r.When.Steps {
						since, at = 0, prompt+i+1
					}
					for _, layer := range c.GlobalLayers() {
						for h := range c.KVHeads {
							n, low := s.Held(layer, h)
							if want := min(share.Of(at)+since, n); n != prompt+i+1 || n-low != want {
								t.Fatalf("%s %s %s: step %d, layer %d head %d: %d entries, %d in more bits, want %d and %d", model, spec, keep, i, layer, h, n, n-low, prompt+i+1, want)
							}
						}
					}
				}
				for _, layer := range c.GlobalLayers() {
					for p, got := range s.Positions(layer, 0) {
						if int(got) != p {
							t.Fatalf("%s %s %s: layer %d: position %d at %d", model, spec, keep, layer, got, p)
						}
					}
				}
				if used, _, _ := e.PoolUse(); used != s.Bytes() {
					t.Errorf("%s %s %s: the pool holds %d bytes, the sequence %d", model, spec, keep, used, s.Bytes())
				}
				s.Close()
			}
		}
	}
}

// A conversation goes on after entries have been classified again: a second turn is read, and a rewind forgets what came after the prompt, in whatever
// bits it lies.
func TestClassifiedSequencesRewindAndGoOn(t *testing.T) {
	e := openTiny(t, "llama-tied-f32", engine.Options{Exact: true, Threads: 2})
	for _, spec := range []string{"mikv(every=10)", "zipcache(window=16,every=10)"} {
		s := prefilled(t, e, spec, "25%", text(200), 300)
		for i := range 95 {
			if err := e.Step([]*engine.Sequence{s}, []int32{int32(i*7) % 300}); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Rewind(230); err != nil {
			t.Fatal(err)
		}
		if n, _ := s.Held(0, 0); n != 230 {
			t.Fatalf("%s: %d entries after a rewind to 230", spec, n)
		}
		if _, err := e.Feed(s, text(60)); err != nil {
			t.Fatalf("%s: %v", spec, err)
		}
		if n, low := s.Held(0, 0); n != 290 || n-low > 290/4+10 {
			t.Errorf("%s: %d entries, %d in fewer bits", spec, n, low)
		}
		s.Close()
	}
}

func TestWhatCannotBeClassifiedAgainIsRefused(t *testing.T) {
	for spec, reason := range map[string]string{
		"expected+demote(every=100)":           "statistics of the prompt",
		"kvzip+demote(every=100)":              "second pass",
		"knorm+merge+every(steps=10)":          "merged",
		"snapkv+chunks+demote(every=100)":      "units",
		"snapkv+think+demote(every=100)":       "think",
		"snapkv+adakv+demote(every=100)":       "distributed again",
		"mikv(every=100)+every(steps=10)":      "when to act again",
		"mikv(every=-1)":                       "outside",
		"mikv(every=1.5)":                      "whole",
		"mikv(every=100)+bytes":                "bytes",
		"snapkv+demote(every=10)+q4+rounding":  "fitted",
		"keydiff+blockwise+demote(every=1000)": "block by block",
	} {
		if _, err := policy.Parse(spec); err == nil || !strings.Contains(err.Error(), reason) {
			t.Errorf("%q: %v; want a refusal that speaks of %q", spec, err, reason)
		}
	}
}
