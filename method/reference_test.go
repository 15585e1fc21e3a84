package method_test

import (
	"compress/gzip"
	"encoding/binary"
	"encoding/json"
	"io"
	"math"
	"os"
	"slices"
	"testing"

	"pith/kvcache"
	_ "pith/method"
	"pith/policy"
)

// recorded is one layer of a real model with the scores and sets that an independent implementation made of it.
type recorded struct {
	Layer   int
	Layers  int
	Tokens  int
	QHeads  int     `json:"q_heads"`
	KVHeads int     `json:"kv_heads"`
	HeadDim int     `json:"head_dim"`
	Theta   float64 `json:"rope_theta"`
	Files   []struct {
		Name  string
		Shape []int
	}
	Kept map[string][][]int32

	data map[string][]float32
}

func readRecorded(t *testing.T) *recorded {
	t.Helper()
	f, err := os.Open("testdata/layer10.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	n := binary.LittleEndian.Uint32(raw)
	r := &recorded{data: map[string][]float32{}}
	if err := json.Unmarshal(raw[4:4+n], r); err != nil {
		t.Fatal(err)
	}
	raw = raw[4+n:]
	for _, file := range r.Files {
		size := 1
		for _, s := range file.Shape {
			size *= s
		}
		values := make([]float32, size)
		for i := range values {
			values[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
		}
		raw = raw[4*size:]
		r.data[file.Name] = values
	}
	return r
}

// layer shows the recorded data as the engine would: queries rotated here, statistics and column sums computed densely.
func (r *recorded) layer() *policy.Layer {
	n, d := r.Tokens, r.HeadDim
	l := &policy.Layer{Index: r.Layer, Layers: r.Layers, Decided: r.Layers, Ordinal: r.Layer, Tokens: n, Prompt: n,
		QHeads: r.QHeads, KVHeads: r.KVHeads, HeadDim: d, Scale: float32(1 / math.Sqrt(float64(d)))}
	l.Rotation = policy.Rotation{Halves: true, InvFreq: make([]float32, d/2)}
	for i := range l.Rotation.InvFreq {
		l.Rotation.InvFreq[i] = float32(math.Pow(r.Theta, -2*float64(i)/float64(d)))
	}
	l.Positions = make([]kvcache.Position, n)
	raw, width := r.data["Q_prerope.bin"], r.QHeads*d
	l.AllQueries = make([]float32, n*width)
	for j := range n {
		l.Positions[j] = kvcache.Position(j)
		for h := range r.QHeads {
			src, dst := raw[(h*n+j)*d:][:d], l.AllQueries[j*width+h*d:][:d]
			for i, f := range l.Rotation.InvFreq {
				sin, cos := math.Sincos(float64(j) * float64(f))
				a, b := float64(src[i]), float64(src[i+d/2])
				dst[i], dst[i+d/2] = float32(a*cos-b*sin), float32(a*sin+b*cos)
			}
		}
	}
	l.LastQueries = l.AllQueries
	for h := range r.KVHeads {
		l.Keys = append(l.Keys, r.data["K_postrope.bin"][h*n*d:(h+1)*n*d])
		l.Values = append(l.Values, r.data["V.bin"][h*n*d:(h+1)*n*d])
	}
	l.Moments = func(skip int) []policy.Moments {
		out := make([]policy.Moments, r.QHeads)
		for h := range out {
			out[h] = denseMoments(raw[(h*n+skip)*d:(h+1)*n*d], d)
		}
		return out
	}
	return l
}

func denseMoments(rows []float32, d int) policy.Moments {
	n := len(rows) / d
	mean, cov := make([]float64, d), make([]float64, d*d)
	for i, v := range rows {
		mean[i%d] += float64(v) / float64(n)
	}
	for j := range n {
		row := rows[j*d : (j+1)*d]
		for a := range d {
			for b := range d {
				cov[a*d+b] += (float64(row[a]) - mean[a]) * (float64(row[b]) - mean[b]) / float64(n)
			}
		}
	}
	m := policy.Moments{Mean: make([]float32, d), Covariance: make([]float32, d*d)}
	for i, v := range mean {
		m.Mean[i] = float32(v)
	}
	for i, v := range cov {
		m.Covariance[i] = float32(v)
	}
	return m
}

// recordedRecipes maps reference names to specs; those that need more than one layer are measured through the engine.
var recordedRecipes = map[string]string{
	"StreamingLLM":                      "streamingllm(sinks=4)",
	"KNorm":                             "knorm",
	"KeyDiff":                           "keydiff",
	"TOVA":                              "tova(when=prefill)",
	"SnapKV":                            "snapkv(window=64,kernel=5)",
	"SnapKV_w8k7":                       "snapkv(window=8,kernel=7)",
	"PyramidKV_w8k7":                    "pyramidkv(window=8,kernel=7,beta=20)",
	"AdaKV(SnapKV)":                     "snapkv(window=64,kernel=5)+adakv(alpha=0.2)",
	"ExpectedAttention":                 "expected(future=512,sinks=4,epsilon=0)",
	"AdaKV(ExpectedAttention)":          "expected(future=512,sinks=4,epsilon=0)+adakv(alpha=0.2)",
	"AdaKV(ExpectedAttention,eps=0.01)": "expected(future=512,sinks=4,epsilon=0.01)+adakv(alpha=0.2)",
	"LagKV":                             "lagkv(sinks=4,lag=128)",
	"ChunkKV(SnapKV)":                   "snapkv(window=64,kernel=5)+chunks(size=20)",
}

// scoreFiles names the file of raw scores of a reference name, where it differs.
var scoreFiles = map[string]string{
	"AdaKV(SnapKV)": "score_AdaKV_SnapKV.bin", "ChunkKV(SnapKV)": "score_ChunkKV_SnapKV.bin",
	"AdaKV(ExpectedAttention)":          "score_AdaKV_ExpectedAttention.bin",
	"AdaKV(ExpectedAttention,eps=0.01)": "score_AdaKV_ExpectedAttention_eps0.01.bin",
}

// scoreTolerance is the largest difference of a score, relative to the largest score of the layer.
const scoreTolerance = 1e-4

func TestScoresAndSetsEqualTheReference(t *testing.T) {
	r := readRecorded(t)
	for name, spec := range recordedRecipes {
		t.Run(name, func(t *testing.T) {
			recipe, err := policy.Parse(spec)
			if err != nil {
				t.Fatal(err)
			}
			l := r.layer()
			run, err := recipe.NewRun(r.Tokens, r.Layers, r.Tokens/4)
			if err != nil {
				t.Fatal(err)
			}
			var scored *policy.Scored
			run.Observe = func(s *policy.Scored) { scored = s }
			plan, err := run.Layer(l)
			if err != nil {
				t.Fatal(err)
			}
			file := scoreFiles[name]
			if file == "" {
				file = "score_" + name + ".bin"
			}
			want, ok := r.data[file]
			if !ok {
				t.Fatalf("no recorded scores %s", file)
			}
			var gap float64
			if name != "StreamingLLM" { // its reference scores only tell kept from dropped
				gap = compareScores(t, r, scored, want)
			}
			compareSets(t, r, scored, plan.Keep[0].Heads, r.Kept[name], want, gap)
		})
	}
}

// compareScores returns the largest difference. Values that the reference sets above all others mark pinned entries.
func compareScores(t *testing.T, r *recorded, s *policy.Scored, want []float32) float64 {
	t.Helper()
	var scale, worst float64
	for h := range s.Scores {
		for j, v := range s.Scores[h] {
			if !s.IsPinned(j) {
				scale = max(scale, math.Abs(float64(v)))
				worst = max(worst, math.Abs(float64(v)-float64(want[h*r.Tokens+j])))
			}
		}
	}
	if worst > scoreTolerance*scale {
		t.Errorf("scores differ by %g, the largest is %g", worst, scale)
	}
	return worst
}

// compareSets demands the same entries wherever the reference's scores are further apart than the noise.
func compareSets(t *testing.T, r *recorded, s *policy.Scored, got, want [][]int32, scores []float32, noise float64) {
	t.Helper()
	for h := range want {
		cut := math.Inf(1) // lowest score that the reference keeps
		for _, j := range want[h] {
			if !s.IsPinned(int(j)) {
				cut = min(cut, float64(scores[h*r.Tokens+int(j)]))
			}
		}
		if !slices.IsSorted(got[h]) {
			t.Errorf("head %d: entries do not ascend", h)
		}
		differ := 0
		for j := range int32(r.Tokens) {
			if slices.Contains(got[h], j) == slices.Contains(want[h], j) {
				continue
			}
			if math.Abs(float64(scores[h*r.Tokens+int(j)])-cut) > 4*noise {
				differ++
			}
		}
		if differ > 0 || len(got[h]) != len(want[h]) {
			t.Errorf("head %d: %d entries differ beyond the noise of %g; %d kept, reference %d", h, differ, noise, len(got[h]), len(want[h]))
		}
	}
}
