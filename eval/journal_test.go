package eval

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func testRow(window int, kv, machine string, kl float64) Row {
	return Row{Key: Key{Task: TaskFidelity, KV: kv, Keep: "25%", Window: &window, Input: "i", Origin: Origin{Model: "m", Digest: "d", Machine: machine}}, KLMean: &kl, Top1: finite(1 - kl)}
}

func TestMergeIsIndependentOfOrderAndMachine(t *testing.T) {
	a := []Row{testRow(0, "x", "one", 0.1), testRow(1, "x", "one", 0.2)}
	b := []Row{testRow(1, "x", "two", 0.2), testRow(2, "x", "two", 0.3)}
	m, n := Merge(a, b), Merge(b, a)
	if len(m) != 3 || len(n) != 3 {
		t.Fatalf("%d and %d rows, want 3", len(m), len(n))
	}
	for i := range m {
		if m[i].identity() != n[i].identity() {
			t.Errorf("row %d: %s and %s", i, m[i].identity(), n[i].identity())
		}
	}
	other := testRow(0, "x", "one", 0.1)
	other.Digest = "another model"
	if len(Merge(a, []Row{other})) != 3 {
		t.Error("rows of two models are taken for one")
	}
}

func TestReadRowsNamesTheBadLine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fidelity.jsonl")
	good := encode(testRow(0, "x", "m", 0.1)) + "\n"
	for text, want := range map[string]string{good + "{\n" + good: "line 2", good + "{}\n": "no task", good + good[:20]: ""} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		rows, err := ReadRows(path)
		if want == "" && (err != nil || len(rows) != 1) || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: %d rows, %v", text, len(rows), err)
		}
	}
	if _, err := ReadRows(t.TempDir()); err == nil {
		t.Error("an empty folder has rows")
	}
}

func TestBootstrapCoversTheMean(t *testing.T) {
	if got := Bootstrap([]float64{2, 2, 2}); got != (Interval{2, 2, 2, 3}) {
		t.Errorf("equal values: %+v", got)
	}
	if got := Bootstrap(nil); got != (Interval{}) {
		t.Errorf("no values: %+v", got)
	}
	// For 0 and 1 in equal parts the bounds are those of the binomial distribution: 0.5 ± 1.96·0.5/√100.
	var coin []float64
	for i := range 100 {
		coin = append(coin, float64(i%2))
	}
	got := Bootstrap(coin)
	if got.Mean != 0.5 || got.Low < 0.38 || got.Low > 0.42 || got.High < 0.58 || got.High > 0.62 {
		t.Errorf("coin: %+v", got)
	}
	if again := Bootstrap(coin); again != got {
		t.Errorf("%+v and then %+v", got, again)
	}
}

func TestSummaryPairsWithTheFullCache(t *testing.T) {
	var rows []Row
	for i := range 4 {
		for _, kv := range []string{"full", "x"} {
			ok := kv == "full" || i%2 == 0
			k := Key{Task: TaskNeedle, KV: kv, Sample: &i, Mode: Hidden, Input: "i"}
			rows = append(rows, Row{Key: k, OK: &ok, KVBytes: 100, FullBytes: 400})
		}
	}
	s := Summarise(rows)
	at := slices.IndexFunc(s, func(s Summary) bool { return s.KV == "x" })
	if len(s) != 2 || at < 0 {
		t.Fatalf("%d summaries", len(s))
	}
	if x := s[at]; x.Score.Mean != 0.5 || x.Score.N != 4 || x.Change == nil || x.Change.Mean != -0.5 || x.KVBytes != 100 {
		t.Errorf("%s", encode(x))
	}
}

func TestQuestionsOnOneContextCountAsOneSample(t *testing.T) {
	var rows []Row
	for i := range 2 {
		for q := range 3 {
			ok := q < i+1
			rows = append(rows, Row{Key: Key{Task: TaskNeedle, KV: "x", Sample: &i, Question: &q, Mode: Hidden, Input: string(rune('a' + q))}, OK: &ok})
		}
	}
	if s := Summarise(rows)[0]; s.Score.N != 2 || s.Score.Mean != 0.5 {
		t.Errorf("%s", encode(s))
	}
}
