package ruler

import (
	"slices"
	"strings"
	"testing"
)

// TestFactsAreExactAndCompleteTheirCue: the context has the length asked for and holds the number once, at its depth; the cue and the
// answer together are the sentence that a right reply begins with.
func TestFactsAreExactAndCompleteTheirCue(t *testing.T) {
	v := newVocabulary()
	for i, depth := range []float64{0, 0.1, 0.5, 0.9, 1} {
		o := v.options(4000, i)
		f, err := Hide(depth, 7, o)
		if err != nil {
			t.Fatal(err)
		}
		if got := len(f.Context) + o.Frame; got != 4000 {
			t.Errorf("depth %.1f: %d tokens, want 4000", depth, got)
		}
		value := strings.TrimSpace(v.decode(f.Answer))
		context, reply := v.decode(f.Context), v.decode(join(f.Cue, f.Answer))
		if len(value) != 7 || strings.Count(context, value) != 1 || !strings.HasSuffix(reply, " is: "+value) {
			t.Errorf("depth %.1f: answer %q, reply %q", depth, value, reply)
		}
		at := float64(strings.Index(context, "One of the special")) / float64(len(context))
		if at < depth-0.06 || at > depth+0.06 {
			t.Errorf("a fact at %.2f, want %.2f", at, depth)
		}
		again, _ := Hide(depth, 7, o)
		other, _ := Hide(depth, 7, v.options(4000, i+100))
		if !slices.Equal(again.Context, f.Context) || slices.Equal(other.Context, f.Context) {
			t.Errorf("depth %.1f: the same options make another fact, or others the same", depth)
		}
	}
	if _, err := Hide(0.5, 7, v.options(40, 0)); err == nil || !strings.Contains(err.Error(), "too short by") {
		t.Errorf("40 tokens: %v", err)
	}
	if _, err := Hide(-1, 7, v.options(400, 0)); err == nil {
		t.Error("a depth of -1 is accepted")
	}
}

func join(lists ...[]int32) []int32 { return slices.Concat(lists...) }
