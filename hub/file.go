package hub

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"strings"
)

// Names of what a pull keeps in a model's folder beside the files.
const (
	partSuffix  = ".part"      // bytes that came so far
	stateSuffix = ".part.json" // what they are the beginning of
	tempPrefix  = ".tmp-"
)

// partState says what a part is the beginning of: a part goes on only as the same content.
type partState struct {
	SHA256 string `json:"sha256"`
	Size   int64  `json:"size"`
	Pieces int    `json:"pieces,omitempty"` // whole packages in it
	End    int64  `json:"end,omitempty"`    // bytes of those
}

// part is a file that is being brought in. Its bytes are hashed as they come.
type part struct {
	p     *puller
	f     file
	state partState
	out   *os.File
	sum   hash.Hash
	n     int64 // bytes in it
}

// openPart opens f's part where an earlier pull left it, or a new one. The bytes that are there are read once, for the hash.
func (p *puller) openPart(ctx context.Context, f file, source string) (*part, error) {
	t := &part{p: p, f: f, state: partState{SHA256: f.sha256, Size: f.size}, sum: sha256.New()}
	old, ok := p.readState(f.name)
	if !ok || old.SHA256 != f.sha256 || old.Size != f.size {
		p.dropPart(f.name)
	} else {
		t.state = old
	}
	var err error
	if t.out, err = p.root.OpenFile(f.name+partSuffix, os.O_RDWR|os.O_CREATE, 0o600); err != nil {
		return nil, err
	}
	if err := p.writeState(f.name, t.state); err != nil {
		t.out.Close()
		return nil, err
	}
	info, err := t.out.Stat()
	if err == nil && info.Size() > f.size {
		err = t.reset()
	} else if err == nil && info.Size() > 0 {
		t.n, err = p.hash(ctx, t.sum, t.out, Progress{File: f.name, Source: source, Phase: Verifying, Total: info.Size()})
	}
	if err != nil {
		t.out.Close()
		return nil, err
	}
	return t, nil
}

func (p *puller) readState(name string) (s partState, ok bool) {
	in, err := p.root.Open(name + stateSuffix)
	if err != nil {
		return s, false
	}
	defer in.Close()
	return s, decodeLimited(in, &s, 1<<16) == nil
}

func (p *puller) writeState(name string, s partState) error {
	b, err := json.Marshal(s)
	if err != nil {
		return err
	}
	return replaceFile(p.root, name+stateSuffix, b)
}

func (p *puller) dropPart(name string) {
	_ = p.root.Remove(name + partSuffix)
	_ = p.root.Remove(name + stateSuffix)
}

// decodeLimited reads one JSON value of at most limit bytes.
func decodeLimited(r io.Reader, v any, limit int64) error {
	b, err := limitedBody(r, limit)
	if err != nil {
		return err
	}
	return json.Unmarshal(b, v)
}

// hash reads r to its end into sum.
func (p *puller) hash(ctx context.Context, sum hash.Hash, r io.Reader, at Progress) (int64, error) {
	buf := make([]byte, 1<<20)
	var n int64
	for {
		if err := ctx.Err(); err != nil {
			return n, err
		}
		k, err := r.Read(buf)
		sum.Write(buf[:k])
		n += int64(k)
		at.Bytes = n
		p.report.tick(at)
		if errors.Is(err, io.EOF) {
			return n, nil
		}
		if err != nil {
			return n, err
		}
	}
}

// Write adds bytes. More than the file has is an error: a server cannot fill the disk.
func (t *part) Write(b []byte) (int, error) {
	if t.n+int64(len(b)) > t.f.size {
		return 0, fmt.Errorf("more than the expected %d bytes", t.f.size)
	}
	n, err := t.out.WriteAt(b, t.n)
	t.sum.Write(b[:n])
	t.n += int64(n)
	return n, err
}

// reset empties the part.
func (t *part) reset() error { return t.truncate(0) }

// truncate cuts the part to its first n bytes.
func (t *part) truncate(n int64) error {
	if err := t.out.Truncate(n); err != nil {
		return err
	}
	t.n = 0
	t.sum.Reset()
	if n == 0 {
		return nil
	}
	k, err := io.Copy(t.sum, io.NewSectionReader(t.out, 0, n))
	t.n = k
	return err
}

// mark remembers that the bytes so far are that many whole packages.
func (t *part) mark(pieces int) error {
	t.state.Pieces, t.state.End = pieces, t.n
	if err := t.out.Sync(); err != nil {
		return err
	}
	return t.p.writeState(t.f.name, t.state)
}

// close keeps what came for a later pull; an empty part is removed.
func (t *part) close() {
	_ = t.out.Close()
	if t.n == 0 {
		t.p.dropPart(t.f.name)
	}
}

// finish verifies the whole and gives it its name. A wrong digest removes the part: nothing can be built on it.
func (t *part) finish() error {
	if t.n != t.f.size {
		return fmt.Errorf("%d bytes, not %d: %w", t.n, t.f.size, io.ErrUnexpectedEOF)
	}
	if got := hex.EncodeToString(t.sum.Sum(nil)); !strings.EqualFold(got, t.f.sha256) {
		_ = t.out.Close()
		t.p.dropPart(t.f.name)
		return &DigestError{File: t.f.name, Got: got, Want: t.f.sha256}
	}
	if err := t.out.Sync(); err != nil {
		return err
	}
	if err := t.out.Chmod(0o644); err != nil && !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	if err := t.out.Close(); err != nil { // before the rename, which Windows refuses for an open file
		return err
	}
	if err := t.p.root.Rename(t.f.name+partSuffix, t.f.name); err != nil {
		return err
	}
	if err := t.p.root.Remove(t.f.name + stateSuffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// DigestError is a file whose content is not the expected one.
type DigestError struct {
	File, Got, Want string // SHA-256 in hex
}

func (e *DigestError) Error() string {
	return fmt.Sprintf("%s: sha256 %s, not %s", e.File, e.Got, e.Want)
}
