package hub

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"
)

// Phase is what a pull is doing.
type Phase string

const (
	Waiting   Phase = "waiting"   // for another pull of the same model
	Asking    Phase = "asking"    // the hub what a repository holds
	Fetching  Phase = "fetching"  // bytes over the network
	Unpacking Phase = "unpacking" // a package
	Verifying Phase = "verifying" // bytes that are already here
	Skipped   Phase = "skipped"   // a source that did not work; Err says why, the next one is tried
)

// Progress is one report of a pull.
type Progress struct {
	Name   string // of the model
	File   string // base name
	Source string
	Phase  Phase
	Bytes  int64 // done of this file, those of an earlier pull included
	Total  int64 // 0 when unknown
	Err    error // with Skipped
}

// Options of a pull; the zero value is right for a program's user.
type Options struct {
	Progress func(Progress) // called from one goroutine, at most every 100 ms within a phase; nil: silent
	Endpoint string         // of the hub; empty: $HF_ENDPOINT, else the public one
	Token    string         // empty: $HF_TOKEN
	Cache    string         // the hub client's own cache, looked into first; empty: $HF_HUB_CACHE, $HF_HOME/hub, else its usual place

	// Times, for tests; 0: connect 5 s, header 20 s, stall 30 s.
	Connect, Header, Stall time.Duration
}

// PullError is a pull for which no source worked.
type PullError struct {
	Name     string
	Attempts []Attempt
}

// Attempt is a source that was tried.
type Attempt struct {
	Source string
	Err    error
}

func (e *PullError) Error() string {
	if len(e.Attempts) == 1 {
		return fmt.Sprintf("hub: pull %s: %s: %v", e.Name, e.Attempts[0].Source, e.Attempts[0].Err)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "hub: pull %s: none of %d sources worked", e.Name, len(e.Attempts))
	for _, a := range e.Attempts {
		fmt.Fprintf(&b, "\n  %s: %v", a.Source, a.Err)
	}
	return b.String()
}

func (e *PullError) Unwrap() []error {
	out := make([]error, len(e.Attempts))
	for i, a := range e.Attempts {
		out[i] = a.Err
	}
	return out
}

// puller is one pull.
type puller struct {
	opts     Options
	endpoint *url.URL
	token    string
	name     string
	root     *os.Root // the model's folder
	dir      string   // its path
	client   *client
	report   reporter
}

// file is one file to be brought into the model's folder.
type file struct {
	name   string // base name
	size   int64
	sha256 string // lower-case hex
}

// Pull fetches the model of that name, unless it is here and whole, and returns its entry. It goes on where an earlier pull was
// cut off. When ctx ends, what came so far stays for the next pull and the error wraps the context's.
func (s *Store) Pull(ctx context.Context, name string, o Options) (Entry, error) {
	ref, isRef, err := parseReference(name)
	if err != nil {
		return Entry{}, err
	}
	model, known := find(s.models, name)
	if !known && !isRef {
		e := &NotFoundError{Name: name}
		for _, m := range s.models {
			e.Near = append(e.Near, m.Name)
		}
		return Entry{}, e
	}
	folder, title := model.Name, model.Name
	if isRef {
		folder, title = ref.folder(), ref.String()
	}
	p, err := newPuller(title, o)
	if err != nil {
		return Entry{}, err
	}
	defer p.client.close()
	if err := os.MkdirAll(s.dir, 0o755); err != nil {
		return Entry{}, fmt.Errorf("hub: models folder: %w", err)
	}
	root, err := os.OpenRoot(s.dir)
	if err != nil {
		return Entry{}, fmt.Errorf("hub: models folder: %w", err)
	}
	defer root.Close()
	unlock, err := p.lock(ctx, root, folder)
	if err != nil {
		return Entry{}, fmt.Errorf("hub: pull %s: %w", title, err)
	}
	defer unlock()
	if e, ok := s.entry(root, folder); ok {
		return e, nil
	}
	if err := root.MkdirAll(folder, 0o755); err != nil {
		return Entry{}, fmt.Errorf("hub: models folder: %w", err)
	}
	defer tidy(root, folder)
	if p.root, err = root.OpenRoot(folder); err != nil {
		return Entry{}, fmt.Errorf("hub: models folder: %w", err)
	}
	defer p.root.Close()
	p.dir = filepath.Join(s.dir, filepath.FromSlash(folder))
	p.sweep()
	if isRef {
		err = p.pullReference(ctx, ref)
	} else {
		err = p.pullModel(ctx, s.dir, model)
	}
	if err != nil {
		return Entry{}, err
	}
	e, ok := s.entry(root, folder)
	if !ok {
		return Entry{}, fmt.Errorf("hub: pull %s: files changed while being pulled", title)
	}
	return e, nil
}

func newPuller(name string, o Options) (*puller, error) {
	p := &puller{opts: o, name: name, token: o.Token}
	if p.token == "" {
		p.token = strings.TrimSpace(os.Getenv("HF_TOKEN"))
	}
	endpoint := o.Endpoint
	if endpoint == "" {
		endpoint = os.Getenv("HF_ENDPOINT")
	}
	if endpoint == "" {
		endpoint = "https://huggingface.co"
	}
	u, err := url.Parse(strings.TrimSuffix(endpoint, "/"))
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return nil, fmt.Errorf("hub: endpoint %q: not an http address", endpoint)
	}
	p.endpoint = u
	p.client = newClient(u, p.token, o)
	p.report = reporter{to: o.Progress, name: name}
	return p, nil
}

// pullModel brings a model of the catalogue from the first source that works.
func (p *puller) pullModel(ctx context.Context, store string, m Model) error {
	f := file{name: m.File, size: m.Size, sha256: m.SHA256}
	source := p.adopt(ctx, store, f)
	fail := &PullError{Name: p.name}
	for _, s := range m.Sources {
		if source != "" {
			break
		}
		var err error
		if s.Repo != "" {
			err = p.download(ctx, s.String(), fileURL(p.endpoint, s.Repo, "main", s.Path), f)
		} else {
			err = p.unpack(ctx, s, f)
		}
		if err == nil {
			source = s.String()
			break
		}
		if ctx.Err() != nil {
			return fmt.Errorf("hub: pull %s: interrupted: %w", p.name, context.Cause(ctx))
		}
		fail.Attempts = append(fail.Attempts, Attempt{s.String(), err})
		p.report.now(Progress{File: f.name, Source: s.String(), Phase: Skipped, Err: err})
	}
	if source == "" {
		return fail
	}
	return p.finish(manifest{Name: m.Name, Licence: m.Licence, Source: source, Files: []manifestFile{{f.name, f.size, f.sha256}}})
}

// pullReference brings the files of a hub repository.
func (p *puller) pullReference(ctx context.Context, ref reference) error {
	p.report.now(Progress{Source: "hf.co/" + ref.id(), Phase: Asking})
	repo, err := p.ask(ctx, ref)
	if err == nil {
		var chosen []remoteFile
		if chosen, err = repo.choose(ref); err == nil {
			err = p.fetchAll(ctx, ref, repo, chosen)
		}
	}
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("hub: pull %s: interrupted: %w", p.name, context.Cause(ctx))
	}
	return fmt.Errorf("hub: pull %s: %w", p.name, err)
}

func (p *puller) fetchAll(ctx context.Context, ref reference, repo *repository, chosen []remoteFile) error {
	m := manifest{Name: ref.String(), Licence: repo.licence(), Source: "hf.co/" + ref.id() + "@" + repo.SHA}
	for _, r := range chosen {
		f := file{name: path.Base(r.Name), size: r.size(), sha256: r.digest()}
		if f.sha256 == "" || f.size <= 0 {
			return fmt.Errorf("%s: the hub publishes no SHA-256 and size for it", r.Name)
		}
		m.Files = append(m.Files, manifestFile{f.name, f.size, f.sha256})
		if p.have(f) || p.fromCache(ctx, ref.id(), f) {
			continue
		}
		if err := p.download(ctx, m.Source, fileURL(p.endpoint, ref.id(), repo.revision(), r.Name), f); err != nil {
			return err
		}
	}
	return p.finish(m)
}

// have reports whether an earlier pull already brought f; files get their names only after they were verified.
func (p *puller) have(f file) bool {
	info, err := p.root.Stat(f.name)
	return err == nil && info.Size() == f.size
}

func (p *puller) finish(m manifest) error {
	m.Pulled = time.Now().UTC().Truncate(time.Second)
	if err := writeManifest(p.root, ".", m); err != nil {
		return fmt.Errorf("hub: pull %s: %w", p.name, err)
	}
	return nil
}

// sweep removes what a killed pull may have left of temporary files. The lock is held, so nothing there is in use.
func (p *puller) sweep() {
	dir, err := p.root.Open(".")
	if err != nil {
		return
	}
	defer dir.Close()
	names, _ := dir.Readdirnames(-1)
	for _, n := range names {
		if strings.HasPrefix(n, tempPrefix) {
			_ = p.root.RemoveAll(n)
		}
	}
}

// tidy removes the folder of a pull that brought nothing, and those above it that are empty then.
func tidy(root *os.Root, folder string) {
	for ; folder != "." && folder != ""; folder = path.Dir(folder) {
		if root.Remove(folder) != nil { // not empty
			return
		}
	}
}

// reporter passes progress on, thinned out.
type reporter struct {
	to    func(Progress)
	name  string
	last  time.Time
	phase Phase
	file  string
}

// now reports at once.
func (r *reporter) now(p Progress) {
	if r.to == nil {
		return
	}
	p.Name = r.name
	r.last, r.phase, r.file = time.Now(), p.Phase, p.File
	r.to(p)
}

// tick reports unless the last report of the same phase was less than 100 ms ago.
func (r *reporter) tick(p Progress) {
	if r.to == nil || p.Phase == r.phase && p.File == r.file && time.Since(r.last) < 100*time.Millisecond && p.Bytes != p.Total {
		return
	}
	r.now(p)
}

var errTooLarge = errors.New("answer too large")

// limitedBody reads at most limit bytes.
func limitedBody(r io.Reader, limit int64) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err == nil && int64(len(b)) > limit {
		err = fmt.Errorf("%w: more than %d bytes", errTooLarge, limit)
	}
	return b, err
}
