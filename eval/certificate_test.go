package eval

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pith/policy"
)

func TestCertificateIsMeasuredStoredAndFound(t *testing.T) {
	r, _ := testRunner(t, testEngine(t), []string{"snapkv(window=8, kernel=5)"}, []string{"50%"})
	c, err := Certify(context.Background(), *r, r.Cases[0], 1800, 1, Floors{MaxKL: 1e-9, Top1: 0})
	if err != nil {
		t.Fatal(err)
	}
	if c.KL.N != 3 || c.KL.Mean <= 0 || c.Top1.N != 3 || c.Needle.N != 6 || c.RULER.N != 9 || c.KVBytes >= c.FullBytes || c.First <= 0 || c.FullSpeed <= 0 || c.KLP99 < c.KL.Mean {
		t.Errorf("%+v", c)
	}
	if c.Passed || len(c.Failures) != 1 || !strings.HasPrefix(c.Failures[0], "KL ") {
		t.Errorf("passed %v, failures %q", c.Passed, c.Failures)
	}
	path := filepath.Join(t.TempDir(), "model.gguf.certificates.json")
	other := *c
	other.Keep = "25%"
	for _, one := range []*Certificate{c, &other, c} {
		if err := StoreCertificate(path, one); err != nil {
			t.Fatal(err)
		}
	}
	list, err := ReadCertificates(path)
	if err != nil || len(list) != 2 {
		t.Fatalf("%d certificates, %v", len(list), err)
	}
	recipe, _ := policy.Parse("SnapKV(window=8,kernel=5)")
	if got, ok := Find(list, recipe, policy.Percent(25), "d", "exact"); !ok || got.Keep != "25%" {
		t.Errorf("found %v: %+v", ok, got)
	}
	if _, ok := Find(list, recipe, policy.Percent(25), "d", "default"); ok {
		t.Error("a certificate of another arithmetic is found")
	}
	if names, _ := os.ReadDir(filepath.Dir(path)); len(names) != 1 {
		t.Errorf("%d files beside the model, want 1", len(names))
	}
}

func TestFloorsAreRelativeToTheFullCache(t *testing.T) {
	c := Certificate{Needle: Interval{Mean: 0.45}, FullFinds: 0.5, RULER: Interval{Mean: 0.2}, FullRULER: 0.5, Top1: Interval{Mean: 0.9}, Floors: Floors{Top1: 0.85, Needle: 0.9, RULER: 0.9}}
	c.judge()
	if c.Passed || len(c.Failures) != 1 || !slices.ContainsFunc(c.Failures, func(s string) bool { return strings.Contains(s, "RULER") }) {
		t.Errorf("%q", c.Failures)
	}
}

func TestDamagedCertificatesAreRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.json")
	if list, err := ReadCertificates(path); err != nil || list != nil {
		t.Errorf("no file: %v, %v", list, err)
	}
	if err := os.WriteFile(path, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadCertificates(path); err == nil {
		t.Error("half a file is accepted")
	}
	if err := os.WriteFile(path, []byte(`[{"version": 99}]`), 0o600); err != nil {
		t.Fatal(err)
	}
	if list, err := ReadCertificates(path); err != nil || len(list) != 0 {
		t.Errorf("another version: %v, %v", list, err)
	}
}
