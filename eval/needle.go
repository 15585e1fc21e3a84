package eval

import (
	"context"
	"fmt"

	"pith/engine"
	"pith/policy"
)

// A Needle is a context that hides a fact, and what is asked about it, as token ids.
type Needle struct {
	Sample  int        `json:"i"`
	Context []int32    `json:"context_ids"`
	QA      []Question `json:"qa"`
}

// A Question asks for one fact.
type Question struct {
	Question []int32 `json:"question_ids"`
	Suffix   []int32 `json:"suffix_ids"` // end of turn, reply header and the cue that the answer completes
	Answer   []int32 `json:"answer_ids"`
}

// The modes say what compression sees.
const (
	Hidden     = "hidden"      // the context alone
	Visible    = "visible"     // context and question
	VisibleAll = "visible_all" // the whole prompt, as an ordinary request
)

// ReadNeedles reads a JSON list of samples.
func ReadNeedles(path string) ([]Needle, error) {
	var ns []Needle
	if err := readJSON(path, &ns); err != nil {
		return nil, err
	}
	for i, n := range ns {
		for _, q := range n.QA {
			if len(q.Suffix) == 0 || len(q.Answer) == 0 {
				return nil, fmt.Errorf("eval: samples %s: sample %d: an empty suffix or answer", path, i)
			}
		}
		if len(n.Context) == 0 || len(n.QA) == 0 {
			return nil, fmt.Errorf("eval: samples %s: sample %d has no context or no question", path, i)
		}
	}
	return ns, nil
}

// NeedleResult is one answer, teacher-forced.
type NeedleResult struct {
	Task      string  `json:"task"`
	Sample    int     `json:"sample"`
	Question  int     `json:"question"`
	Mode      string  `json:"mode"`
	KV        string  `json:"kv"`
	Keep      string  `json:"keep"`
	OK        bool    `json:"ok"`   // every token of the answer is the most likely one
	Frac      float64 `json:"frac"` // share of them that is
	NLL       float64 `json:"nll"`  // mean over the answer's tokens
	KVBytes   int64   `json:"kv_bytes"`
	FullBytes int64   `json:"full_bytes"`
	Prefill   float64 `json:"prefill_seconds"`
}

// RunNeedle asks one sample's questions of every case in one mode. With the question hidden all questions read one compressed
// context; otherwise each needs its own prefill, since compression has seen it.
func RunNeedle(ctx context.Context, e *engine.Engine, n Needle, mode string, prompt policy.Prompt, cases []Case, emit func(NeedleResult) error) error {
	for i, q := range n.QA {
		seen, rest := n.Context, append(append([]int32(nil), q.Question...), q.Suffix...)
		switch mode {
		case Visible:
			seen, rest = append(append([]int32(nil), n.Context...), q.Question...), q.Suffix
		case VisibleAll:
			seen, rest = append(append([]int32(nil), n.Context...), rest...), nil
		}
		feed := append(append([]int32(nil), rest...), q.Answer[:len(q.Answer)-1]...)
		err := prefillAll(ctx, e, seen, prompt, len(feed)+1, cases, func(full, c *compressed) error {
			if c == full {
				return nil
			}
			r := NeedleResult{Task: "needle", Sample: n.Sample, Question: i, Mode: mode, KV: c.KV, Keep: c.Keep, Prefill: c.prefill,
				KVBytes: c.seq.Bytes(), FullBytes: c.seq.FullBytes()}
			rows := [][]float32{append([]float32(nil), c.seq.Logits()...)} // predicts the first token fed
			fed, err := e.Feed(c.seq, feed)
			if err != nil {
				return err
			}
			rows = append(rows, fed...)
			r.score(rows[len(rows)-len(q.Answer):], q.Answer)
			return emit(r)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *NeedleResult) score(rows [][]float32, answer []int32) {
	right := 0
	for i, want := range answer {
		top := engine.TopLogProbs(rows[i], 1)[0]
		if top.ID == want {
			right++
		}
		r.NLL += (engine.LogSumExp(rows[i]) - float64(rows[i][want])) / float64(len(answer))
	}
	r.OK, r.Frac = right == len(answer), float64(right)/float64(len(answer))
}
