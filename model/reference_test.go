package model

import (
	"compress/gzip"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pith/gguf"
	"pith/kernel"
)

// A reference case is a tiny random model and what an independent f32 implementation computes with it. testdata holds some
// of them (testdata/README.md says where they come from); the whole set lies in shared/reference/arch.

// refSeq is one token sequence and the expected logits at some of its positions.
type refSeq struct {
	name      string
	ids       []int32
	maxLen    int
	positions []int
	cols      []int     // nil: rows hold all logits; else logsumexp, then the logits of these ids
	rows      []float32 // [len(positions), vocab or 1+len(cols)]
}

type refCase struct {
	name string
	open func(t testing.TB) *gguf.File
	seqs []refSeq
}

// exactLimit is the largest difference of a logit in exact arithmetic. The reference's own tolerance is 2e-3; another order
// of summation makes 1e-4, a wrong epsilon 1e-2, the exact instead of the tanh form of GELU 1.4e-2.
const exactLimit = 5e-4

// defaultLimit is the largest root mean square, over the logits of a position, of the differences of log-probabilities. It
// is that of the reference's check: weights with an integer form are multiplied by 8-bit activations.
func (c *refCase) defaultLimit() float64 {
	switch quantised := strings.Contains(c.name, "/q"); {
	case quantised && strings.Contains(c.name, "gemma"):
		return 0.5
	case quantised:
		return 0.3
	}
	return exactLimit
}

func openFile(t testing.TB, path string) *gguf.File {
	t.Helper()
	f, err := gguf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func unzip(t testing.TB, path string) []byte {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func floats(data []byte) []float32 {
	out := make([]float32, len(data)/4)
	for i := range out {
		out[i] = math.Float32frombits(binary.LittleEndian.Uint32(data[4*i:]))
	}
	return out
}

// packed is the form of testdata/*.json.gz.
type packed struct {
	Model string
	Seqs  map[string]struct {
		IDs       []int32
		MaxLen    int `json:"max_len"`
		Positions []int
		Cols      []int
		Rows      []byte // f32, little-endian
	}
}

// committedCases reads testdata.
func committedCases(t testing.TB) (cases []refCase) {
	paths, _ := filepath.Glob("testdata/*.json.gz")
	if len(paths) == 0 {
		t.Fatal("testdata is empty")
	}
	for _, path := range paths {
		var p packed
		if err := json.Unmarshal(unzip(t, path), &p); err != nil {
			t.Fatal(err)
		}
		c := refCase{name: p.Model}
		c.open = func(t testing.TB) *gguf.File { return openPacked(t, p.Model) }
		for name, s := range p.Seqs {
			c.seqs = append(c.seqs, refSeq{name, s.IDs, s.MaxLen, s.Positions, s.Cols, floats(s.Rows)})
		}
		cases = append(cases, c)
	}
	return cases
}

// openPacked opens testdata/NAME.gguf.gz.
func openPacked(t testing.TB, name string) *gguf.File {
	t.Helper()
	path := filepath.Join(t.TempDir(), "model.gguf")
	data := unzip(t, filepath.Join("testdata", strings.ReplaceAll(name, "/", "-")+".gguf.gz"))
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return openFile(t, path)
}

// shared is the folder of reference data beside the repository.
func shared() string {
	if dir := os.Getenv("PITH_SHARED"); dir != "" {
		return dir
	}
	return "../../shared"
}

// sharedCases reads shared/reference/arch: every position of every sequence.
func sharedCases(t testing.TB) (cases []refCase) {
	paths, _ := filepath.Glob(filepath.Join(shared(), "reference/arch/*/ref-*.json"))
	if len(paths) == 0 {
		t.Skip("left out: no reference data in " + shared())
	}
	for _, path := range paths {
		var ref struct {
			Name, File string
			Cols       []int
			Seqs       map[string]struct {
				IDs    []int32
				NCtx   int `json:"n_ctx"`
				Logits struct{ File, Kind string }
			}
		}
		data, err := os.ReadFile(path)
		if err == nil {
			err = json.Unmarshal(data, &ref)
		}
		if err != nil {
			t.Fatal(err)
		}
		dir := filepath.Dir(path)
		kind := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(path), "ref-"), ".json")
		c := refCase{name: ref.Name + "/" + kind}
		c.open = func(t testing.TB) *gguf.File { return openFile(t, filepath.Join(dir, ref.File)) }
		for name, s := range ref.Seqs {
			raw, err := os.ReadFile(filepath.Join(dir, s.Logits.File))
			if err != nil {
				t.Fatal(err)
			}
			seq := refSeq{name: name, ids: s.IDs, maxLen: s.NCtx, rows: floats(raw)}
			if s.Logits.Kind != "full" {
				seq.cols = ref.Cols
			}
			for i := range s.IDs {
				seq.positions = append(seq.positions, i)
			}
			c.seqs = append(c.seqs, seq)
		}
		cases = append(cases, c)
	}
	return cases
}

// compare returns the largest difference of logits, the largest root mean square over a position of the differences of
// log-probabilities, and the mean over positions of an estimate of KL from the compared columns. The second is taken over
// six positions, as its limits are: over all of them the worst case of an 8-bit activation is half as much again.
func (s *refSeq) compare(logits []float32, vocab int) (worst, rms, kl float64) {
	width := len(s.rows) / len(s.positions)
	n := len(s.ids)
	counts := []int{0, 1, n / 3, n / 2, n - 2, n - 1}
	for i, pos := range s.positions {
		have, want := logits[pos*vocab:][:vocab], s.rows[i*width:][:width]
		z := logSumExp(have)
		var zw float64
		if s.cols == nil {
			zw = logSumExp(want)
		} else {
			zw, want = float64(want[0]), want[1:]
		}
		var squares float64
		for j, w := range want {
			col := j
			if s.cols != nil {
				col = s.cols[j]
			}
			worst = max(worst, math.Abs(float64(have[col])-float64(w)))
			lh, lw := float64(have[col])-z, float64(w)-zw
			squares += (lh - lw) * (lh - lw)
			kl += math.Exp(lw) * (lw - lh) / float64(len(s.positions))
		}
		if math.IsNaN(squares) {
			return math.NaN(), math.NaN(), math.NaN()
		}
		if slices.Contains(counts, pos) {
			rms = max(rms, math.Sqrt(squares/float64(len(want))))
		}
	}
	return worst, rms, kl
}

func checkCases(t *testing.T, cases []refCase) {
	workers := kernel.NewWorkers(0)
	defer workers.Close()
	for _, c := range cases {
		for _, exact := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s/exact=%t", c.name, exact), func(t *testing.T) {
				m, err := Open(c.open(t), Options{Workers: workers, Exact: exact})
				if err != nil {
					t.Fatal(err)
				}
				for _, s := range c.seqs {
					worst, rms, kl := s.compare(newRunner(t, m, s.maxLen).logits(t, s.ids, 256), m.config.Vocab)
					t.Logf("%s: max |d| %.2g, rms %.2g, KL %.2g", s.name, worst, rms, kl)
					if exact && !(worst <= exactLimit) {
						t.Errorf("%s: a logit is off by %.3g, allowed %.3g", s.name, worst, exactLimit)
					}
					if limit := c.defaultLimit(); !exact && !(rms <= limit) {
						t.Errorf("%s: log-probabilities are off by %.3g, allowed %.3g", s.name, rms, limit)
					}
				}
			})
		}
	}
}

func TestCommittedReference(t *testing.T) { checkCases(t, committedCases(t)) }

func TestSharedReference(t *testing.T) { checkCases(t, sharedCases(t)) }

// TestReferenceCoversArchitectures: every architecture has a committed case.
func TestReferenceCoversArchitectures(t *testing.T) {
	covered := map[string]bool{}
	for _, c := range committedCases(t) {
		name, _ := c.open(t).String("general.architecture")
		covered[name] = true
	}
	for _, name := range Architectures() {
		if !covered[name] {
			t.Errorf("no reference case for %s", name)
		}
	}
}
