package hub

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestPullFromTheHub(t *testing.T) {
	h, s := newFakeHub(t), newStore(t)
	data := content(1, 700_000)
	h.files["user/Model-GGUF/model-Q8_0.gguf"] = content(2, 1000)
	h.files["user/Model-GGUF/model-Q4_K_M.gguf"] = data
	h.wantToken = "hf_secret"
	o := h.options()
	o.Token = "hf_secret"
	var reports []Progress
	o.Progress = func(p Progress) { reports = append(reports, p) }

	if _, err := s.Resolve("hf.co/user/Model-GGUF"); err == nil || !strings.Contains(err.Error(), "pith pull hf.co/user/Model-GGUF") {
		t.Errorf("Resolve before: %v", err)
	}
	e, err := s.Pull(context.Background(), "hf.co/user/Model-GGUF", o)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(e.Path); err != nil || !bytes.Equal(got, data) {
		t.Errorf("content: %d bytes, %v", len(got), err)
	}
	if e.Size != int64(len(data)) || e.Digest != digest(data) || e.Licence != "mit" || e.Name != "hf.co/user/Model-GGUF" {
		t.Errorf("entry %+v", e)
	}
	if h.leaked != nil {
		t.Errorf("the other host saw %q", h.leaked)
	}
	if path, err := s.Resolve("hf.co/user/Model-GGUF"); err != nil || path != e.Path {
		t.Errorf("Resolve: %q, %v", path, err)
	}
	if want := []string{"hf.co/user/Model-GGUF/default/model-Q4_K_M.gguf", "hf.co/user/Model-GGUF/default/model.json"}; !slices.Equal(tree(t, s.Dir()), want) {
		t.Errorf("left %q", tree(t, s.Dir()))
	}
	if info, _ := os.Stat(e.Path); runtime.GOOS != "windows" && info.Mode().Perm() != 0o644 {
		t.Errorf("mode %v", info.Mode())
	}
	last := reports[len(reports)-1]
	if last.Phase != Fetching || last.Bytes != e.Size || last.Total != e.Size || reports[0].Phase != Asking {
		t.Errorf("reports %+v … %+v", reports[0], last)
	}
	before := len(h.seen(""))
	if _, err := s.Pull(context.Background(), "hf.co/user/Model-GGUF", o); err != nil || len(h.seen("")) != before {
		t.Errorf("second pull: %v, %d requests", err, len(h.seen(""))-before)
	}
	if list, err := s.List(); err != nil || len(list) != 1 || list[0].Path != e.Path {
		t.Errorf("List: %v, %v", list, err)
	}
}

func TestTokenComesFromTheEnvironment(t *testing.T) {
	h, s := newFakeHub(t), newStore(t)
	h.files["u/r/a-Q4_K_M.gguf"] = content(1, 10)
	h.wantToken = "hf_env"
	if _, err := s.Pull(context.Background(), "hf.co/u/r", h.options()); err == nil || !strings.Contains(err.Error(), "HF_TOKEN") {
		t.Errorf("without: %v", err)
	}
	t.Setenv("HF_TOKEN", "hf_env")
	if _, err := s.Pull(context.Background(), "hf.co/u/r", h.options()); err != nil || h.leaked != nil {
		t.Errorf("with: %v, leaked %q", err, h.leaked)
	}
}

func TestCutConnectionGoesOnWhereItWas(t *testing.T) {
	h, s := newFakeHub(t), newStore(t)
	data := content(3, 500_000)
	h.files["u/r/a-Q4_K_M.gguf"] = data
	cuts := 0
	h.fault = func(w http.ResponseWriter, r *http.Request, body []byte) bool {
		if cuts++; cuts <= 3 {
			cut(w, r, body, 100_000)
			return true
		}
		return false
	}
	e, err := s.Pull(context.Background(), "hf.co/u/r", h.options())
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := os.ReadFile(e.Path); !bytes.Equal(got, data) {
		t.Error("content differs")
	}
	if want := []string{"cdn ", "cdn bytes=100000-", "cdn bytes=200000-", "cdn bytes=300000-"}; !slices.Equal(h.seen("cdn"), want) {
		t.Errorf("requests %q", h.seen("cdn"))
	}
}

func TestServerWithoutRanges(t *testing.T) {
	h, s := newFakeHub(t), newStore(t)
	data := content(3, 300_000)
	h.files["u/r/a-Q4_K_M.gguf"] = data
	h.noRanges = true
	first := true
	h.fault = func(w http.ResponseWriter, r *http.Request, body []byte) bool {
		if first {
			first = false
			cut(w, r, body, 100_000)
			return true
		}
		return false
	}
	e, err := s.Pull(context.Background(), "hf.co/u/r", h.options())
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := os.ReadFile(e.Path); !bytes.Equal(got, data) {
		t.Error("content differs")
	}
}

func TestWrongDigestLeavesNothing(t *testing.T) {
	h, s := newFakeHub(t), newStore(t)
	h.files["u/r/a-Q4_K_M.gguf"] = content(4, 1000)
	h.lie["u/r/a-Q4_K_M.gguf"] = strings.Repeat("0", 64)
	_, err := s.Pull(context.Background(), "hf.co/u/r", h.options())
	var wrong *DigestError
	if !errors.As(err, &wrong) || wrong.Got != digest(h.files["u/r/a-Q4_K_M.gguf"]) || !strings.HasPrefix(err.Error(), "hub: pull hf.co/u/r: ") {
		t.Errorf("error %v", err)
	}
	if left := tree(t, s.Dir()); left != nil {
		t.Errorf("left %q", left)
	}
	if _, err := os.Stat(filepath.Join(s.Dir(), "hf.co")); err == nil {
		t.Error("an empty folder stayed")
	}
}

func TestInterruptedPullKeepsItsPart(t *testing.T) {
	h, s := newFakeHub(t), newStore(t)
	data := content(5, 400_000)
	h.files["u/r/a-Q4_K_M.gguf"] = data
	ctx, cancel := context.WithCancel(context.Background())
	h.fault = func(w http.ResponseWriter, r *http.Request, body []byte) bool {
		w.Header().Set("Content-Length", fmt.Sprint(len(body)))
		w.Write(body[:150_000])
		w.(http.Flusher).Flush()
		<-r.Context().Done()
		return true
	}
	o := h.options()
	o.Progress = func(p Progress) {
		if p.Bytes >= 150_000 {
			cancel()
		}
	}
	done := make(chan error)
	go func() {
		_, err := s.Pull(ctx, "hf.co/u/r", o)
		done <- err
	}()
	// The report may be thinned out; the part's size says when enough came.
	part := filepath.Join(s.Dir(), "hf.co/u/r/default/a-Q4_K_M.gguf.part")
	for ctx.Err() == nil {
		if info, err := os.Stat(part); err == nil && info.Size() == 150_000 {
			cancel()
		}
		time.Sleep(time.Millisecond)
	}
	if err := <-done; !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "interrupted") {
		t.Fatalf("error %v", err)
	}
	if want := []string{"hf.co/u/r/default/a-Q4_K_M.gguf.part", "hf.co/u/r/default/a-Q4_K_M.gguf.part.json"}; !slices.Equal(tree(t, s.Dir()), want) {
		t.Errorf("left %q", tree(t, s.Dir()))
	}
	if _, err := s.Resolve("hf.co/u/r"); err == nil {
		t.Error("half a model resolves")
	}
	h.fault = nil
	e, err := s.Pull(context.Background(), "hf.co/u/r", h.options())
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := os.ReadFile(e.Path); !bytes.Equal(got, data) {
		t.Error("content differs")
	}
	if got := h.seen("cdn"); got[len(got)-1] != "cdn bytes=150000-" {
		t.Errorf("requests %q", got)
	}
}

func TestPartOfAnotherContentIsNotUsed(t *testing.T) {
	h, s := newFakeHub(t), newStore(t)
	h.files["u/r/a-Q4_K_M.gguf"] = content(6, 1000)
	folder := filepath.Join(s.Dir(), "hf.co/u/r/default")
	os.MkdirAll(folder, 0o755)
	os.WriteFile(filepath.Join(folder, "a-Q4_K_M.gguf.part"), content(7, 500), 0o600)
	os.WriteFile(filepath.Join(folder, "a-Q4_K_M.gguf.part.json"), []byte(`{"sha256":"00","size":1000}`), 0o600)
	if _, err := s.Pull(context.Background(), "hf.co/u/r", h.options()); err != nil {
		t.Fatal(err)
	}
	if got := h.seen("cdn"); !slices.Equal(got, []string{"cdn "}) {
		t.Errorf("requests %q", got)
	}
}

func TestStalledServer(t *testing.T) {
	h, s := newFakeHub(t), newStore(t)
	h.files["u/r/a-Q4_K_M.gguf"] = content(8, 1000)
	h.fault = func(w http.ResponseWriter, r *http.Request, body []byte) bool {
		w.Header().Set("Content-Length", "1000")
		w.WriteHeader(http.StatusOK)
		w.(http.Flusher).Flush()
		<-r.Context().Done()
		return true
	}
	o := h.options()
	o.Stall = 20 * time.Millisecond
	_, err := s.Pull(context.Background(), "hf.co/u/r", o)
	if !errors.Is(err, errStalled) || !strings.Contains(err.Error(), "0 of 1000 bytes") {
		t.Errorf("error %v", err)
	}
	if n := len(h.seen("cdn")); n != maxBarren {
		t.Errorf("%d tries", n)
	}
}

func TestServerThatSendsTooMuch(t *testing.T) {
	h, s := newFakeHub(t), newStore(t)
	h.files["u/r/a-Q4_K_M.gguf"] = content(9, 1000)
	h.fault = func(w http.ResponseWriter, _ *http.Request, _ []byte) bool {
		w.Write(content(9, 5000)) // no length announced
		w.(http.Flusher).Flush()
		return true
	}
	if _, err := s.Pull(context.Background(), "hf.co/u/r", h.options()); err == nil {
		t.Error("accepted")
	}
}

func TestRefusals(t *testing.T) {
	h, s := newFakeHub(t), newStore(t)
	h.files["u/r/a-Q4_K_M.gguf"] = content(1, 10)
	h.files["u/noggufs/model.safetensors"] = content(1, 10)
	h.files["u/odd/mod el.gguf"] = content(1, 10)
	for name, want := range map[string]string{
		"hf.co/u/missing":    "404",
		"hf.co/u/r:Q2_K":     "no file of quantisation Q2_K; there are Q4_K_M",
		"hf.co/u/noggufs":    "no GGUF file among 2 files",
		"hf.co/u/odd":        "not a name for this machine",
		"hf.co/u":            "not user/repo",
		"hf.co/../r":         `".."`,
		"hf.co/u/r:../../x":  "not the name of a quantisation",
		"hf.co/u/con":        `"con"`,
		"nosuchmodel":        "no such file, nor a known name",
		"hf.co/u/r/resolve":  "3 parts",
		"hf.co/u/.hidden":    `".hidden"`,
		"hf.co/u/r:Q4_K_M/.": "not the name",
	} {
		if _, err := s.Pull(context.Background(), name, h.options()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
	}
	if left := tree(t, s.Dir()); left != nil {
		t.Errorf("left %q", left)
	}
}

func TestHostileFileNamesStayInTheFolder(t *testing.T) {
	h, s := newFakeHub(t), newStore(t)
	h.files["u/r/../../../../evil-Q4_K_M.gguf"] = content(1, 10)
	_, err := s.Pull(context.Background(), "hf.co/u/r", h.options())
	if err == nil {
		for _, f := range tree(t, s.Dir()) {
			if !strings.HasPrefix(f, "hf.co/u/r/default/") {
				t.Errorf("wrote %s", f)
			}
		}
	}
	outside, _ := filepath.Glob(filepath.Join(filepath.Dir(s.Dir()), "*"))
	if !slices.Equal(outside, []string{s.Dir()}) {
		t.Errorf("outside: %q", outside)
	}
}

func TestSplitModel(t *testing.T) {
	h, s := newFakeHub(t), newStore(t)
	for i := 1; i <= 3; i++ {
		h.files[fmt.Sprintf("u/r/Q4_K_M/m-Q4_K_M-0000%d-of-00003.gguf", i)] = content(uint64(i), 1000*i)
	}
	e, err := s.Pull(context.Background(), "hf.co/u/r:q4_k_m", h.options())
	if err != nil {
		t.Fatal(err)
	}
	if e.Files != 3 || e.Size != 6000 || !strings.HasSuffix(e.Path, "-00001-of-00003.gguf") {
		t.Errorf("entry %+v", e)
	}
	delete(h.files, "u/r/Q4_K_M/m-Q4_K_M-00002-of-00003.gguf")
	if _, err := newStore(t).Pull(context.Background(), "hf.co/u/r:q4_k_m", h.options()); err == nil || !strings.Contains(err.Error(), "part 2 of 3 is missing") {
		t.Errorf("error %v", err)
	}
}

func TestTwoPullsAtOnce(t *testing.T) {
	h, s := newFakeHub(t), newStore(t)
	h.files["u/r/a-Q4_K_M.gguf"] = content(10, 200_000)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if e, err := s.Pull(context.Background(), "hf.co/u/r", h.options()); err != nil || e.Size != 200_000 {
				t.Errorf("%+v, %v", e, err)
			}
		})
	}
	wg.Wait()
	if n := len(h.seen("cdn")); n != 1 {
		t.Errorf("%d downloads", n)
	}
}

func TestWaitingPullCanBeInterrupted(t *testing.T) {
	h, s := newFakeHub(t), newStore(t)
	h.files["u/r/a-Q4_K_M.gguf"] = content(10, 200)
	root, err := os.OpenRoot(mustMkdir(t, s.Dir()))
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	p, _ := newPuller("x", h.options())
	unlock, err := p.lock(context.Background(), root, "hf.co/u/r/default")
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	ctx, cancel := context.WithCancel(context.Background())
	o := h.options()
	o.Progress = func(p Progress) {
		if p.Phase == Waiting {
			cancel()
		}
	}
	if _, err := s.Pull(ctx, "hf.co/u/r", o); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

func mustMkdir(t *testing.T, dir string) string {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestHubCacheIsReused(t *testing.T) {
	h, s := newFakeHub(t), newStore(t)
	data := content(11, 5000)
	h.files["u/r/a-Q4_K_M.gguf"] = data
	cache := t.TempDir()
	blob := filepath.Join(mustMkdir(t, filepath.Join(cache, "models--u--r", "blobs")), digest(data))
	if err := os.WriteFile(blob, data, 0o644); err != nil {
		t.Fatal(err)
	}
	o := h.options()
	o.Cache = cache
	if _, err := s.Pull(context.Background(), "hf.co/u/r", o); err != nil || len(h.seen("cdn")) != 0 {
		t.Errorf("%v, downloads %q", err, h.seen("cdn"))
	}
	// One whose content is not what its name says is left alone.
	if err := os.WriteFile(blob, content(12, 5000), 0o644); err != nil {
		t.Fatal(err)
	}
	e, err := newStore(t).Pull(context.Background(), "hf.co/u/r", o)
	if err != nil || e.Digest != digest(data) || len(h.seen("cdn")) != 1 {
		t.Errorf("%v, %+v", err, e)
	}
}

func TestListingHasALimit(t *testing.T) {
	h, s := newFakeHub(t), newStore(t)
	h.api.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Write([]byte(`{"siblings":[`))
		for w != nil {
			if _, err := w.Write(bytes.Repeat([]byte(`{"rfilename":"x"},`), 1000)); err != nil {
				return
			}
		}
	})
	if _, err := s.Pull(context.Background(), "hf.co/u/r", h.options()); !errors.Is(err, errTooLarge) {
		t.Errorf("error %v", err)
	}
}
