package eval

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// testReportRows are rows of every task for a few recipes, with made-up figures.
func testReportRows() []Row {
	o := Origin{Model: "Tiny <1B>", Digest: strings.Repeat("ab", 32), Arithmetic: "exact", Machine: "one processor, 2 threads", Threads: 2}
	var rows []Row
	keeps := map[string]float64{"50%": 0.5, "25%": 0.25, "10%": 0.1}
	add := func(k Key, at float64, quality float64) {
		k.Origin = o
		r := Row{Key: k, KVBytes: int64(1e8 * at), FullBytes: 1e8, FirstToken: 1 + at, TokensPerSecond: 100 / (1 + at), Shared: 3, Tokens: 4096, Time: "2031-05-06T07:08:09Z"}
		switch k.Task {
		case TaskFidelity:
			r.KLMean, r.Top1, r.DNLL, r.NLL = finite(1-quality), finite(quality), finite(0.1), finite(3)
			if *k.Window == 0 {
				r.Kept = [][]int{{int(4096 * at), 100}, {200, int(2048 * at)}}
			}
		case TaskNeedle:
			ok := quality > 0.5
			r.OK, r.Frac, r.NLL = &ok, finite(quality), finite(1)
		case TaskPerplexity:
			r.NLL = finite(3 + (1 - quality))
		case TaskSpeed:
			r.Shared = 1
		default:
			r.Score = finite(quality)
		}
		rows = append(rows, r)
	}
	for n, kv := range []string{"full", "snapkv(window=8,kernel=7)", "kvzip(chunk=2048,sinks=4)", "streamingllm", "expected+adakv(alpha=0.2)"} {
		for keep, at := range keeps {
			if kv == "full" {
				if keep != "50%" {
					continue
				}
				keep, at = "", 1
			}
			for i := range 3 {
				q := 1 - (1-at)*float64(n)/5 - 0.01*float64(i)
				add(Key{Task: TaskFidelity, KV: kv, Keep: keep, Window: &i, Input: "x"}, at, q)
				add(Key{Task: TaskPerplexity, KV: kv, Keep: keep, Window: &i, Input: "x"}, at, q)
				for _, mode := range []string{Hidden, Visible} {
					add(Key{Task: TaskNeedle, KV: kv, Keep: keep, Mode: mode, Sample: &i, Input: "x"}, at, q)
					for _, set := range []string{"vt", "cwe"} {
						add(Key{Task: TaskRULER, Set: set, KV: kv, Keep: keep, Mode: mode, Length: 4096, Sample: &i, Input: "x"}, at, q)
					}
					for _, depth := range []float64{0, 0.5, 1} {
						add(Key{Task: TaskNIAH, KV: kv, Keep: keep, Mode: mode, Length: 1024 << i, Depth: &depth, Digits: 7, Sample: new(int), Input: "x"}, at, q*depth)
					}
				}
				add(Key{Task: TaskSpeed, KV: kv, Keep: keep, Length: 1024 << i, Sample: new(int), Input: "x"}, at, 1)
			}
		}
	}
	return Merge(rows)
}

var testNotes = []Note{{Time: "t", Command: []string{"eval", "a model.gguf", "--task", "fidelity,needle", "--kv", "snapkv(window=8,kernel=7)"}},
	{Time: "t", Command: []string{"eval", "m.gguf", "--task=niah"}}}

func TestReportIsOneSelfContainedPage(t *testing.T) {
	html, plots, err := Report(testReportRows(), testNotes)
	if err != nil {
		t.Fatal(err)
	}
	again, _, _ := Report(testReportRows(), testNotes)
	if !bytes.Equal(html, again) {
		t.Error("two reports of the same rows differ")
	}
	text := string(html)
	for _, outside := range regexp.MustCompile(`(?:src|href)="([^"]*)"`).FindAllStringSubmatch(text, -1) {
		if !strings.HasPrefix(outside[1], "plots/") && outside[1] != "data:," {
			t.Errorf("the page refers to %q", outside[1])
		}
	}
	if n := strings.Count(strings.ReplaceAll(text, "http://www.w3.org/2000/svg", ""), "http"); n > 1 { // the policy's http-equiv
		t.Errorf("%d addresses in the page", n)
	}
	for _, want := range []string{"Closeness to the full cache", "Finding a hidden fact, question hidden", "RULER", "Perplexity", "Time to first token", "Where the number is found: 7 digits, visible",
		"Who keeps how much", "Tiny &lt;1B&gt;", "2031-05-06", "pith eval &#39;a model.gguf&#39;", "Pareto front", "prefers-color-scheme", "@media print"} {
		if !strings.Contains(text, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if strings.Contains(text, "NaN") || strings.Contains(text, "ZgotmplZ") {
		t.Error("the page holds values that are none")
	}
	if len(plots) < 10 {
		t.Errorf("%d plots", len(plots))
	}
	for name, svg := range plots {
		for d := xml.NewDecoder(strings.NewReader(svg)); ; {
			if _, err := d.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Errorf("%s: %v", name, err)
				break
			}
		}
		if !strings.Contains(svg, "<style>") {
			t.Errorf("%s has no style of its own", name)
		}
	}
}

func TestReportFilesAreWritten(t *testing.T) {
	dir := t.TempDir()
	if err := WriteReport(dir, testReportRows(), nil); err != nil {
		t.Fatal(err)
	}
	html, err := os.ReadFile(filepath.Join(dir, "report.html"))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`href="(plots/[^"]*)"`).FindAllStringSubmatch(string(html), -1) {
		if _, err := os.Stat(filepath.Join(dir, m[1])); err != nil {
			t.Error(err)
		}
	}
	if _, _, err := Report(nil, nil); err == nil {
		t.Error("a report of no rows")
	}
}

func TestCommandsAreQuotedForAShell(t *testing.T) {
	got := commandsFor(testNotes, TaskFidelity)
	if len(got) != 1 || got[0] != "pith eval 'a model.gguf' --task fidelity,needle --kv 'snapkv(window=8,kernel=7)'" {
		t.Errorf("%q", got)
	}
	if got := commandsFor(testNotes, TaskNIAH); len(got) != 1 || fmt.Sprint(got) != "[pith eval m.gguf --task=niah]" {
		t.Errorf("%q", got)
	}
	if got := shellWord("it's"); got != `'it'\''s'` {
		t.Errorf("%s", got)
	}
}
