package eval

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"pith/eval/text"
	"pith/policy"
)

// certificateVersion changes when the measurements of a certificate do: those of another version say nothing about today's floors.
const certificateVersion = 1

// A Certificate says what one recipe at one budget was measured to cost and to save on one model. It holds for the length, the language
// and the kinds of task that it was measured on; Scope says so in words.
type Certificate struct {
	Version int    `json:"version"`
	KV      string `json:"kv"` // canonical
	Keep    string `json:"keep"`
	Length  int    `json:"length"` // tokens of the contexts
	Seed    uint64 `json:"seed"`
	Time    string `json:"time"`
	Origin

	KL        Interval  `json:"kl"`     // mean distance from the full cache
	KLP99     float64   `json:"kl_p99"` // mean over windows
	Top1      Interval  `json:"top1"`
	Needle    Interval  `json:"needle"`      // numbers found, question hidden
	FullFinds float64   `json:"needle_full"` // by the full cache
	RULER     Interval  `json:"ruler"`       // mean score of CertificateTasks, question hidden
	FullRULER float64   `json:"ruler_full"`  // of the full cache
	KVBytes   int64     `json:"kv_bytes"`
	FullBytes int64     `json:"full_bytes"`
	First     float64   `json:"first_token_seconds"`
	FullFirst float64   `json:"first_token_full_seconds"`
	Speed     float64   `json:"tokens_per_second"`
	FullSpeed float64   `json:"tokens_per_second_full"`
	Peak      *Resident `json:"peak_resident,omitempty"`

	Floors   Floors   `json:"floors"`
	Failures []string `json:"failures"` // floors that it is below; none: passed
	Passed   bool     `json:"passed"`
	Scope    string   `json:"scope"`
}

// Floors are what a recipe must reach. Zero values ask for nothing.
type Floors struct {
	MaxKL  float64 `json:"max_kl,omitempty"`
	Top1   float64 `json:"min_top1,omitempty"`
	Needle float64 `json:"min_needle,omitempty"` // share of what the full cache finds
	RULER  float64 `json:"min_ruler,omitempty"`  // share of the full cache's score
}

// CertificateTasks are the tasks of RULER in a certificate.
var CertificateTasks = []string{"niah_multikey_1", "vt", "fwe"}

// Numbers of samples in a certificate.
const (
	certificateWindows   = 3
	certificatePositions = 128
	certificateNeedles   = 2 // at each of three depths
	certificateSamples   = 3 // of each RULER task
)

// Certify measures one case at a length. The runner's Cases, Emit and Done are replaced.
func Certify(ctx context.Context, r Runner, c Case, length int, seed uint64, floors Floors) (*Certificate, error) {
	g, err := NewGenerator(r.Engine, seed)
	if err != nil {
		return nil, err
	}
	windows, err := CutWindows(r.Engine.Tokenizer(), []byte(text.Opticks()), length, certificatePositions, certificateWindows)
	if err != nil {
		return nil, err
	}
	var rows []Row
	r.Cases = []Case{fullCase(), c}
	if c.KV == "full" {
		r.Cases = []Case{c}
	}
	r.Emit = func(row Row) error { rows = append(rows, row); return nil }
	r.Done = nil
	err = r.Run(ctx, Fidelity{Windows: windows},
		Answering{Task: TaskNIAH, Modes: []string{Hidden}, Samples: g.NIAH([]int{length}, []float64{0.1, 0.5, 0.9}, []int{7}, certificateNeedles)},
		Answering{Task: TaskRULER, Modes: []string{Hidden}, Samples: g.RULER(CertificateTasks, []int{length}, certificateSamples, nil)},
		Speed{Lengths: []int{length}})
	if err != nil {
		return nil, err
	}
	cert := &Certificate{Version: certificateVersion, KV: c.recipe.Canonical(), Keep: certifiedShare(c.recipe, c.budget.Keep), Length: length, Seed: seed,
		Time: time.Now().UTC().Format(time.RFC3339), Origin: r.Origin, Floors: floors,
		Scope: fmt.Sprintf("Measured on English prose of the 18th century and generated tasks, contexts of %d tokens, question hidden from the recipe: other lengths, languages and tasks may fare differently.", length)}
	cert.fill(rows, c)
	cert.judge()
	return cert, nil
}

// fill takes the figures out of rows.
func (c *Certificate) fill(rows []Row, which Case) {
	var p99 []float64
	for _, r := range rows {
		if r.Task == TaskFidelity && r.KV == which.KV && r.Keep == which.Keep && r.KLP99 != nil {
			p99 = append(p99, *r.KLP99)
		}
	}
	if len(p99) > 0 {
		c.KLP99 = mean(p99)
	}
	for _, p := range append(panels(rows), panel{task: TaskSpeed, cases: Summarise(slices.DeleteFunc(slices.Clone(rows), func(r Row) bool { return r.Task != TaskSpeed }))}) {
		for _, s := range p.cases {
			full := s.KV == "full" && s.KV != which.KV
			if !full && (s.KV != which.KV || s.Keep != which.Keep) {
				continue
			}
			switch {
			case p.task == TaskFidelity && !full:
				c.Top1 = s.Score
				if s.KL != nil {
					c.KL = *s.KL
				}
			case p.task == TaskNIAH && full:
				c.FullFinds = s.Score.Mean
			case p.task == TaskNIAH:
				c.Needle = s.Score
			case p.task == TaskRULER && full:
				c.FullRULER = s.Score.Mean
			case p.task == TaskRULER:
				c.RULER = s.Score
			case p.task == TaskSpeed && full:
				c.FullFirst, c.FullSpeed = s.FirstToken, s.TokensPerSecond
			case p.task == TaskSpeed:
				c.First, c.Speed, c.KVBytes, c.FullBytes, c.Peak = s.FirstToken, s.TokensPerSecond, s.KVBytes, s.FullBytes, s.Peak
			}
		}
	}
	if which.KV == "full" {
		c.FullFinds, c.FullRULER, c.FullFirst, c.FullSpeed = c.Needle.Mean, c.RULER.Mean, c.First, c.Speed
	}
}

// judge compares with the certificate's own floors.
func (c *Certificate) judge() {
	c.Failures = c.Below(c.Floors)
	c.Passed = len(c.Failures) == 0
}

// Below says in words which floors the figures do not reach, none if they reach all.
func (c *Certificate) Below(f Floors) []string {
	failures := []string{}
	fail := func(below bool, format string, a ...any) {
		if below {
			failures = append(failures, fmt.Sprintf(format, a...))
		}
	}
	fail(f.MaxKL > 0 && c.KL.Mean > f.MaxKL, "KL %.4f above %.4g", c.KL.Mean, f.MaxKL)
	fail(c.Top1.Mean < f.Top1, "top-1 agreement %.3f below %.3g", c.Top1.Mean, f.Top1)
	fail(c.Needle.Mean < f.Needle*c.FullFinds, "needles found %.3f below %.3g of the full cache's %.3f", c.Needle.Mean, f.Needle, c.FullFinds)
	fail(c.RULER.Mean < f.RULER*c.FullRULER, "RULER %.3f below %.3g of the full cache's %.3f", c.RULER.Mean, f.RULER, c.FullRULER)
	return failures
}

// CertificatesPath is where the certificates of a model lie: beside its file.
func CertificatesPath(model string) string { return model + ".certificates.json" }

// ReadCertificates returns the certificates beside a model, none where there is no file. Those of another version are left out.
func ReadCertificates(path string) ([]Certificate, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("eval: certificates: %w", err)
	}
	var list []Certificate
	if err := json.Unmarshal(data, &list); err != nil {
		return nil, fmt.Errorf("eval: certificates: %s: %w", path, err)
	}
	return slices.DeleteFunc(list, func(c Certificate) bool { return c.Version != certificateVersion }), nil
}

// StoreCertificate adds a certificate to a file, in place of the one for the same recipe, budget, length, arithmetic and model. The file
// is replaced at once, never half-written.
func StoreCertificate(path string, c *Certificate) error {
	list, err := ReadCertificates(path)
	if err != nil {
		return err
	}
	list = slices.DeleteFunc(list, func(o Certificate) bool {
		return o.KV == c.KV && o.Keep == c.Keep && o.Length == c.Length && o.Arithmetic == c.Arithmetic && o.Digest == c.Digest
	})
	data, err := json.MarshalIndent(append(list, *c), "", "  ")
	if err != nil {
		return fmt.Errorf("eval: certificates: %w", err)
	}
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return fmt.Errorf("eval: certificates: %w", err)
	}
	_, err = f.Write(append(data, '\n'))
	err = errors.Join(err, f.Chmod(0o644), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
		return fmt.Errorf("eval: certificates: %w", err)
	}
	return nil
}

// certifiedShare writes a share as certificates do; "" where the recipe has no use for one.
func certifiedShare(r *policy.Recipe, keep policy.Share) string {
	if !r.HasBudget() {
		return ""
	}
	if keep.IsZero() {
		keep = policy.DefaultShare
	}
	return keep.String()
}

// Find returns the certificate of a recipe at a share for a model's file, the one for the longest context; ok is false if there is none.
func Find(list []Certificate, r *policy.Recipe, keep policy.Share, digest, arithmetic string) (best Certificate, ok bool) {
	share := certifiedShare(r, keep)
	for _, c := range list {
		if c.KV == r.Canonical() && c.Keep == share && c.Digest == digest && c.Arithmetic == arithmetic && (!ok || c.Length > best.Length) {
			best, ok = c, true
		}
	}
	return best, ok
}

// A Gate lets recipes through that have a certificate for a model's file in an arithmetic. The full cache needs none.
type Gate struct {
	Certificates       []Certificate
	Digest, Arithmetic string
	Floors             Floors // asked for on top of those that the certificate was made with
}

// Check returns an error that says why a recipe must not be used at a budget. A cap in bytes is no share that could have been certified.
func (g *Gate) Check(r *policy.Recipe, b policy.Budget) error {
	if r == nil || !r.HasBudget() && len(r.Terms()) == 1 && r.Canonical() == "full" {
		return nil
	}
	name := r.Canonical() + atBudget(certifiedShare(r, b.Keep), "")
	if b.Bytes > 0 {
		return fmt.Errorf("eval: certificate: %s with a cap in bytes cannot be certified; name a share", r.Canonical())
	}
	c, ok := Find(g.Certificates, r, b.Keep, g.Digest, g.Arithmetic)
	if !ok {
		return fmt.Errorf("eval: certificate: there is none of %s for this model in %s arithmetic", name, g.Arithmetic)
	}
	if below := append(slices.Clone(c.Failures), c.Below(g.Floors)...); len(below) > 0 {
		return fmt.Errorf("eval: certificate: %s: %s", name, strings.Join(below, "; "))
	}
	return nil
}

// Line is the certificate in one line, for people.
func (c *Certificate) Line() string {
	verdict := "passed"
	if !c.Passed {
		verdict = "missed: " + strings.Join(c.Failures, "; ")
	}
	return fmt.Sprintf("%s%s: %d tokens, KL %.4f, same first choice %.1f%%, numbers %.1f%% (full cache %.1f%%), RULER %.1f%% (%.1f%%), %.1f of %.1f MiB; %s",
		c.KV, atBudget(c.Keep, ""), c.Length, c.KL.Mean, 100*c.Top1.Mean, 100*c.Needle.Mean, 100*c.FullFinds, 100*c.RULER.Mean, 100*c.FullRULER,
		float64(c.KVBytes)/(1<<20), float64(c.FullBytes)/(1<<20), verdict)
}
