package eval

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pith/engine"
	"pith/eval/ruler"
)

// testNeedles are contexts in the frame of a chat with two questions each.
func testNeedles(t *testing.T, e *engine.Engine, n int) []Needle {
	t.Helper()
	f, err := newFrame(e)
	if err != nil {
		t.Fatal(err)
	}
	ws := randomWindows(n, 150, 20)
	var ns []Needle
	for i, w := range ws {
		ns = append(ns, Needle{Sample: i, Context: join(f.head, w.Context), QA: []Question{
			{Question: w.Continuation[:5], Suffix: join(f.tail, w.Continuation[5:7]), Answer: w.Continuation[7:11]},
			{Question: w.Continuation[8:14], Suffix: join(f.tail, w.Continuation[14:15]), Answer: w.Continuation[15:17]},
		}})
	}
	return ns
}

// TestNeedleModesAgreeWhereNothingIsDropped: what compression sees cannot matter to a cache that keeps everything, and questions that
// share a context get the answers that each would get alone.
func TestNeedleModesAgreeWhereNothingIsDropped(t *testing.T) {
	e := testEngine(t)
	r, rows := testRunner(t, e, []string{"full", "snapkv(window=8,kernel=5)", "kvzip(chunk=64)"}, []string{"100%", "30%"})
	if err := r.Run(context.Background(), Needles{Samples: testNeedles(t, e, 2), Modes: []string{Hidden, Visible, VisibleAll}}); err != nil {
		t.Fatal(err)
	}
	if want := 2 * 2 * 3 * 5; len(*rows) != want {
		t.Fatalf("%d rows, want %d", len(*rows), want)
	}
	nll := map[string]float64{}
	for _, row := range *rows {
		if row.Keep == "30%" {
			continue
		}
		id := fmt.Sprint(*row.Sample, *row.Question)
		if first, ok := nll[id]; ok && !close(first, *row.NLL, 1e-4) {
			t.Errorf("sample %s, %s, %s: NLL %.6f, elsewhere %.6f", id, row.Mode, row.KV, *row.NLL, first)
		}
		nll[id] = *row.NLL
	}
	if len(nll) != 4 {
		t.Errorf("%d answers, want 4", len(nll))
	}
}

func close(a, b, by float64) bool { return a-b < by && b-a < by }

func TestFrameIsFoundInAContext(t *testing.T) {
	e := testEngine(t)
	f, err := newFrame(e)
	if err != nil {
		t.Fatal(err)
	}
	head, tail := string(e.Tokenizer().Decode(f.head)), string(e.Tokenizer().Decode(f.tail))
	if !strings.HasSuffix(head, "user\n") || !strings.HasSuffix(tail, "assistant") {
		t.Errorf("head %q, tail %q", head, tail)
	}
	if p := f.around(join(f.head, []int32{1, 2})); p.Prefix != len(f.head) || !slices.Equal(p.Suffix, f.tail) {
		t.Errorf("a chat: %+v", p)
	}
	if p := f.around([]int32{1, 2, 3}); p.Prefix != 0 || p.Suffix != nil {
		t.Errorf("plain text: %+v", p)
	}
}

func TestGeneratedTasksRun(t *testing.T) {
	e := testEngine(t)
	g, err := NewGenerator(e, 3)
	if err != nil {
		t.Fatal(err)
	}
	paragraphs, err := ruler.ReadParagraphs([]byte(`{"question":"Where?","answers":["here"],"paragraphs":["It is here."]}` + "\n" +
		`{"question":"When?","answers":["now"],"paragraphs":["It is now."]}`))
	if err != nil {
		t.Fatal(err)
	}
	sets := map[string]*ruler.Paragraphs{"qa_1": paragraphs}
	tasks := []string{"niah_single_1", "vt", "qa_1"}
	for _, task := range []Answering{
		{Task: TaskNIAH, Modes: []string{Hidden, VisibleAll}, Samples: g.NIAH([]int{1200}, []float64{0, 1}, []int{4}, 1)},
		{Task: TaskRULER, Modes: []string{Visible}, Samples: g.RULER(tasks, []int{testContext}, 1, sets)},
	} {
		r, rows := testRunner(t, e, []string{"full", "streamingllm", "tsp(layer=1,rate=0.5)+snapkv(window=8)"}, []string{"25%"})
		if err := r.Run(context.Background(), task); err != nil {
			t.Fatal(err)
		}
		if want := len(task.Samples) * len(task.Modes) * 3; len(*rows) != want {
			t.Errorf("%s: %d rows, want %d", task.Task, len(*rows), want)
		}
		for _, row := range *rows {
			if row.Score == nil || row.Mode == "" || row.Length == 0 || len(row.Answers) == 0 {
				t.Errorf("%s: %s", task.Task, encode(row))
			}
		}
	}
	if got := RULERTasks(sets); len(got) != 12 || slices.Contains(got, "qa_2") {
		t.Errorf("tasks that can be made: %q", got)
	}
}

// TestBatchEqualsSingle: sequences that decode together give the replies that each gives alone.
func TestBatchEqualsSingle(t *testing.T) {
	e := testEngine(t)
	g, _ := NewGenerator(e, 3)
	specs := []string{"full", "streamingllm", "snapkv(window=8,kernel=5)"}
	task := Answering{Task: TaskNIAH, Modes: []string{Hidden}, Samples: g.NIAH([]int{900}, []float64{0.5}, []int{3}, 1)}
	together, all := testRunner(t, e, specs, []string{"20%"})
	if err := together.Run(context.Background(), task); err != nil {
		t.Fatal(err)
	}
	for _, row := range *all {
		r, one := testRunner(t, e, []string{row.KV}, []string{"20%"})
		if err := r.Run(context.Background(), task); err != nil {
			t.Fatal(err)
		}
		if got := (*one)[0].Prediction; got != row.Prediction {
			t.Errorf("%s: %q alone, %q together", row.KV, got, row.Prediction)
		}
	}
}

func TestLongBenchFilesAreRead(t *testing.T) {
	e := testEngine(t)
	g, _ := NewGenerator(e, 3)
	dir := t.TempDir()
	line := func(context, input, answer string, classes ...string) string {
		b, _ := json.Marshal(map[string]any{"context": context, "input": input, "answers": []string{answer}, "all_classes": classes, "length": 3, "_id": "x"})
		return string(b) + "\n"
	}
	for name, text := range map[string]string{
		"qasper.jsonl": line("An article. "+strings.Repeat("word ", 600), "Why?", "because"),
		"trec.jsonl":   line("Question: a\nType: Food", "Question: b\nType:", "Food", "Food", "Date") + line("c", "d", "Date", "Food", "Date"),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	samples, err := g.LongBench(dir, nil, 0, 0)
	if err != nil || len(samples) != 3 {
		t.Fatalf("%d samples, %v", len(samples), err)
	}
	q, err := samples[0].Make()
	if err != nil {
		t.Fatal(err)
	}
	tok := e.Tokenizer()
	context, question := string(tok.Decode(q.Context)), string(tok.Decode(q.Question))
	if samples[0].Key.Set != "qasper" || !strings.HasPrefix(context, "<|im_start|>user\nYou are given a scientific article") || !strings.HasSuffix(question, "Question: Why?\n\nAnswer:") {
		t.Errorf("%s: %.60q … %q", samples[0].Key.Set, context, question)
	}
	if n := len(q.Context) + len(q.Question) + len(q.Suffix) + q.Generate; n > testContext {
		t.Errorf("%d tokens, the context holds %d", n, testContext)
	}
	if got := q.Score("Because."); got != 1 {
		t.Errorf("score %g", got)
	}
	trec, _ := samples[1].Make()
	if text := string(tok.Decode(trec.Context)); strings.Contains(text, "im_start") || trec.Suffix != nil {
		t.Errorf("trec is put into a chat: %q", text)
	}
	if got := trec.Score("\n Food\nDate"); got != 1 {
		t.Errorf("only the first line counts: %g", got)
	}
	if _, err := g.LongBench(dir, []string{"musique"}, 0, 0); err == nil {
		t.Error("a set whose file is missing is accepted")
	}
	if _, err := g.LongBench(dir, []string{"nonsense"}, 0, 0); err == nil {
		t.Error("an unknown set is accepted")
	}
	if _, err := g.LongBench(t.TempDir(), nil, 0, 0); err == nil {
		t.Error("an empty folder is accepted")
	}
}

func TestLongPromptsLoseTheirMiddle(t *testing.T) {
	count := func(from, n int) []int32 {
		out := make([]int32, n)
		for i := range out {
			out[i] = int32(from + i)
		}
		return out
	}
	for _, c := range []struct{ context, question, limit int }{{10, 4, 20}, {100, 4, 20}, {100, 30, 20}, {3, 30, 20}, {100, 10, 21}} {
		all := join(count(0, c.context), count(c.context, c.question))
		a, b := withoutMiddle(all[:c.context], all[c.context:], c.limit)
		got := join(a, b)
		want := all
		if len(all) > c.limit {
			half := c.limit / 2
			want = join(all[:half], all[len(all)-half:])
		}
		if c.context >= c.limit/2 && !slices.Equal(got, want) || len(b) == 0 || len(got) > c.limit {
			t.Errorf("%+v: %v, want %v", c, got, want)
		}
	}
}

// TestLengthsAreExactWithRealTokenizers makes samples with the vocabularies of real models.
func TestLengthsAreExactWithRealTokenizers(t *testing.T) {
	for _, name := range []string{"smol", "gemma"} {
		t.Run(name, func(t *testing.T) {
			e := realModel(t, name, engine.Options{})
			g, err := NewGenerator(e, 1)
			if err != nil {
				t.Fatal(err)
			}
			samples := append(g.NIAH([]int{1024, 4096}, []float64{0, 0.37, 1}, []int{7, 64}, 1), g.RULER(RULERTasks(nil), []int{2048, 8192}, 1, nil)...)
			for _, s := range samples {
				q, err := s.Make()
				if err != nil {
					t.Fatal(err)
				}
				if n := len(q.Context) + len(q.Question) + len(q.Suffix) + q.Generate; n != s.Key.Length {
					t.Errorf("%s: %d tokens", s.What, n)
				}
				text := string(e.Tokenizer().Decode(q.Context))
				for _, a := range q.Answers {
					if !strings.Contains(text, a) {
						t.Errorf("%s: the context lacks the answer %q", s.What, a)
					}
				}
			}
		})
	}
}

// TestNeedlesOfTheReferenceAreFound asks the full cache the questions that the reference's full cache answers.
func TestNeedlesOfTheReferenceAreFound(t *testing.T) {
	samples, err := ReadNeedles(shared(t, "kv/C_prompts.json"))
	if err != nil {
		t.Fatal(err)
	}
	e := realModel(t, "smol", engine.Options{Exact: true})
	f, err := newFrame(e)
	if err != nil {
		t.Fatal(err)
	}
	if p := f.around(samples[0].Context); p.Prefix == 0 || string(e.Tokenizer().Decode(p.Suffix)) != "<|im_end|>\n<|im_start|>assistant\n" {
		t.Errorf("the frame of the reference's prompts: prefix %d, suffix %q", p.Prefix, e.Tokenizer().Decode(p.Suffix))
	}
	r, rows := testRunner(t, e, []string{"full"}, nil)
	if err := r.Run(context.Background(), Needles{Samples: samples[:1], Modes: []string{Hidden}}); err != nil {
		t.Fatal(err)
	}
	if row := (*rows)[0]; !*row.OK || !close(*row.NLL, 0.08882, 0.005) {
		t.Errorf("sample 0: ok %v, NLL %.4f, the reference 0.0888", *row.OK, *row.NLL)
	}
}
