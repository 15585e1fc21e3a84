package eval

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// tableRows are eight needle samples and two windows of one recipe, in two arithmetics and by the reference.
func tableRows() []Row {
	var rows []Row
	for _, arithmetic := range []string{"exact", "default", ReferenceArithmetic} {
		o := Origin{Model: "Tiny", Digest: "d", Arithmetic: arithmetic}
		off := map[string]float64{"exact": 0, "default": 0.25, ReferenceArithmetic: 0.125}[arithmetic]
		for i := range 8 {
			ok, frac := off < 0.2 || i > 5, 1-off
			rows = append(rows, Row{Key: Key{Task: TaskNeedle, KV: "snapkv", Keep: "25%", Sample: &i, Mode: Hidden, Input: "x", Origin: o},
				OK: &ok, Frac: &frac, NLL: finite(1 + off), KVBytes: 1 << 20})
		}
		for i := range 2 {
			rows = append(rows, Row{Key: Key{Task: TaskFidelity, KV: "snapkv", Keep: "25%", Window: &i, Input: "x", Origin: o}, Positions: 128,
				KLMean: finite(0.5 + off), Top1: finite(0.75), KVBytes: 1 << 20})
			if arithmetic != ReferenceArithmetic {
				rows = append(rows, Row{Key: Key{Task: TaskFidelity, KV: "full", Window: &i, Input: "x", Origin: o}, Positions: 128, KLMean: finite(0), Top1: finite(1), NLL: finite(3), NLLError: finite(0.001 + off/10)})
			}
		}
		for i := range 3 {
			rows = append(rows, Row{Key: Key{Task: TaskRULER, Set: "vt", KV: "full", Sample: &i, Length: 1024, Input: "s", Origin: o}, Score: finite(float64(i) / 2)})
		}
	}
	o := Origin{Model: "Tiny", Digest: "d", Arithmetic: "default"}
	for i := range 2 {
		rows = append(rows, Row{Key: Key{Task: TaskFidelity, KV: "auto", Keep: "10%", Window: &i, Input: "x", Origin: o}, Recipe: "snapkv+q4+bytes",
			KLMean: finite(0.125), Top1: finite(0.5), KVBytes: 2 << 20})
	}
	rows = append(rows, Row{Key: Key{Task: TaskFidelity, KV: "knorm+bytes", Keep: "10%", Window: new(int), Input: "x", Origin: o}, KLMean: finite(0.5), Top1: finite(0.25), KVBytes: 2 << 20})
	return rows
}

func TestTablesAreFilledFromRows(t *testing.T) {
	document := "# Title\n\n<!-- table: fidelity arithmetic=exact bytes=no -->\nold\n<!-- /table -->\nbetween\n" +
		"<!-- table: needle arithmetic=default mode=hidden -->\n<!-- /table -->\n<!-- table: likelihood -->\n<!-- /table -->\n" +
		"<!-- table: scores task=ruler arithmetic=exact model=Ti -->\n<!-- /table -->\n<!-- table: needle arithmetic=exact reference=no -->\n<!-- /table -->\n" +
		"<!-- table: fidelity bytes=yes reference=no -->\n<!-- /table -->\n<!-- table: agreement arithmetic=default -->\n<!-- /table -->\nend\n"
	out, err := FillTables([]byte(document), tableRows())
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"# Title\n", "\nbetween\n", "\nend\n",
		"| recipe | 25% |\n|---|---:|\n| `snapkv` | 0.5000 (0.6250), 0.750, 1.0 MiB |\n",
		"2 pairs of recipe, budget and window; 0 of them above",
		"| `snapkv` | 25% | 8 | 2 | 8 | 0.750 | 0.875 | 1.250 | 1.125 | -0.125 (-0.125 to -0.125) | 6 |",
		"8 pairs. Below the reference by more than the sampling error: `snapkv` at 25%.",
		"| exact | 2 | 256 | 3.0000 | 0.00100 | 0.00100 |\n| default | 2 | 256 | 3.0000 | 0.02600 | 0.02600 |",
		"| `vt` | 0.50 (",
		"| `snapkv` | 8 | 2 | 8 | 6 | 0.750 | 0.875 | 0.1250 | 0.1250 |\n| all | 8 | 2 | 8 | 6 |",
		"| recipe | 10% |\n|---|---:|\n| `auto` | 0.1250, 0.500, 2.0 MiB |\n| `knorm+bytes` | 0.5000, 0.250, 2.0 MiB |\n\n2 windows; 1 cells lack some of them.\n",
		"| `snapkv` | 25% | 8 | 1.00 (1.00 to 1.00) | 1.00 (1.00 to 1.00) | 1.000 | 1.0 |",
	} {
		if !strings.Contains(string(out), want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	if strings.Contains(string(out), "\nold\n") {
		t.Error("what stood between the marks is still there")
	}
	again, err := FillTables(out, tableRows())
	if err != nil || !bytes.Equal(out, again) {
		t.Errorf("filled again the document differs: %v", err)
	}
}

// TestRecipesTableHasEveryFigure: rows of three tasks meet in one line; what was not measured is empty, other lengths and arithmetics stay out.
func TestRecipesTableHasEveryFigure(t *testing.T) {
	rows := tableRows()
	o := Origin{Model: "Tiny", Digest: "d", Arithmetic: "default"}
	for i, took := range []float64{3, 1, 2} {
		for _, length := range []int{1024, 4096} {
			rows = append(rows, Row{Key: Key{Task: TaskSpeed, KV: "snapkv", Keep: "25%", Sample: &i, Length: length, Input: "s", Origin: o},
				FirstToken: took * float64(length) / 1024, TokensPerSecond: 10 * took, KVBytes: 1 << 20, FullBytes: 4 << 20})
		}
	}
	ok, no, half := true, false, 0.5
	rows = append(rows, Row{Key: Key{Task: TaskNeedle, KV: "snapkv", Keep: "50%", Mode: Visible, Input: "x", Origin: o}, OK: &ok, Frac: finite(1), KVBytes: 2 << 20, FullBytes: 4 << 20},
		Row{Key: Key{Task: TaskNeedle, KV: "snapkv", Keep: "50%", Mode: Visible, Input: "y", Origin: o}, OK: &no, Frac: &half, KVBytes: 2 << 20, FullBytes: 4 << 20})
	out, err := FillTables([]byte("<!-- table: recipes arithmetic=default -->\n<!-- /table -->\n"), rows)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"| `full` | all | 0.0 |  | 0.0000 | 1.000 |  |  |  |  |",
		"| `snapkv` | 50% | 2.0 | 50.0% |  |  |  | 1 of 2, 0.75 |  |  |\n| `snapkv` | 25% | 1.0 |  | 0.7500 | 0.750 | 2 of 8, 0.75 |  | 8.00 | 20.0 |",
		"Up to 2 windows, 8 needles with the question hidden and 2 with it visible",
		"times at 4096 tokens",
	} {
		if !strings.Contains(string(out), want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	if out, err = FillTables([]byte("<!-- table: recipes arithmetic=default length=1024 -->\n<!-- /table -->\n"), rows); err != nil || !strings.Contains(string(out), "| 2.00 | 20.0 |") {
		t.Errorf("at 1,024 tokens: %v\n%s", err, out)
	}
	if _, err := FillTables([]byte("<!-- table: recipes -->\n<!-- /table -->\n"), rows); err == nil || !strings.Contains(err.Error(), "several models or arithmetics") {
		t.Errorf("rows of two arithmetics: %v", err)
	}
}

func TestBadTablesAreRefusedByLine(t *testing.T) {
	for document, want := range map[string]string{
		"a\n<!-- table: chess -->\n<!-- /table -->\n":                             `line 2: no table is called "chess`,
		"<!-- table: fidelity -->\n":                                              "line 1: no <!-- /table --> follows",
		"<!-- table: scores task=niah -->\n<!-- /table -->\n":                     "line 1: no rows",
		"<!-- table: fidelity arithmetic=other reference=no -->\n<!-- /table -->": "line 1: no rows",
	} {
		if _, err := FillTables([]byte(document), tableRows()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", document, err, want)
		}
	}
}

// TestResultsAreWhatTheRowsSay: documents that ship have the tables that their rows give.
func TestResultsAreWhatTheRowsSay(t *testing.T) {
	for name, dir := range map[string]string{"docs/results.md": "docs/results", "docs/recipes.md": "docs/results/recipes", "docs/every.md": "docs/results/every"} {
		rows, err := ReadRows(filepath.Join("..", filepath.FromSlash(dir)))
		if err != nil {
			t.Fatal(err)
		}
		document, err := os.ReadFile(filepath.Join("..", filepath.FromSlash(name)))
		if err != nil {
			t.Fatal(err)
		}
		out, err := FillTables(document, Merge(rows))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if !bytes.Equal(out, document) {
			t.Errorf("%s is not what %s gives; write it anew: pith eval report %s --markdown %s", name, dir, dir, name)
		}
	}
}

func TestPackedRowsAreRead(t *testing.T) {
	dir := t.TempDir()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	fmt.Fprintln(z, encode(testRow(0, "x", "m", 0.1)))
	z.Close()
	if err := os.WriteFile(filepath.Join(dir, "a.jsonl.gz"), b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "b.jsonl"), []byte(encode(testRow(1, "x", "m", 0.1))+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	rows, err := ReadRows(dir)
	if err != nil || len(rows) != 2 {
		t.Errorf("%d rows, %v", len(rows), err)
	}
	if err := os.WriteFile(filepath.Join(dir, "a.jsonl.gz"), b.Bytes()[:20], 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadRows(dir); err == nil {
		t.Error("half a packed file is accepted")
	}
}
