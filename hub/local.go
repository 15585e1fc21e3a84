package hub

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// adopt looks for the pinned content among files that are already on this machine, those put into the store by hand and
// those the hub's own client cached, and returns where it found it, empty when nowhere.
func (p *puller) adopt(ctx context.Context, store string, f file) string {
	if p.have(f) && p.verified(ctx, f) {
		return "this machine"
	}
	var found string
	_ = filepath.WalkDir(store, func(name string, d fs.DirEntry, err error) error {
		if err != nil || ctx.Err() != nil || found != "" {
			return fs.SkipAll
		}
		if !d.Type().IsRegular() || !strings.HasSuffix(strings.ToLower(name), ".gguf") {
			return nil
		}
		if info, err := d.Info(); err == nil && info.Size() == f.size && p.take(ctx, name, f) {
			found = "a file in the store"
		}
		return nil
	})
	if found != "" {
		return found
	}
	for _, blob := range blobs(p.cacheDir(), "*", f.sha256) {
		if p.take(ctx, blob, f) {
			return "the hub client's cache"
		}
	}
	return ""
}

// verified hashes a file that lies under its final name without a manifest: a pull was killed between the two.
func (p *puller) verified(ctx context.Context, f file) bool {
	in, err := p.root.Open(f.name)
	if err != nil {
		return false
	}
	defer in.Close()
	sum := sha256.New()
	if _, err := p.hash(ctx, sum, in, Progress{File: f.name, Phase: Verifying, Total: f.size}); err != nil {
		return false
	}
	return hex.EncodeToString(sum.Sum(nil)) == f.sha256
}

// fromCache takes f from the hub client's cache.
func (p *puller) fromCache(ctx context.Context, repo string, f file) bool {
	for _, blob := range blobs(p.cacheDir(), "models--"+strings.ReplaceAll(repo, "/", "--"), f.sha256) {
		if p.take(ctx, blob, f) {
			return true
		}
	}
	return false
}

// cacheDir is where the hub's own client keeps what it fetched.
func (p *puller) cacheDir() string {
	if p.opts.Cache != "" {
		return p.opts.Cache
	}
	if dir := os.Getenv("HF_HUB_CACHE"); dir != "" {
		return dir
	}
	if dir := os.Getenv("HF_HOME"); dir != "" {
		return filepath.Join(dir, "hub")
	}
	base := os.Getenv("XDG_CACHE_HOME")
	if base == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return ""
		}
		base = filepath.Join(home, ".cache")
	}
	return filepath.Join(base, "huggingface", "hub")
}

// blobs finds a content in a cache laid out as models--user--repo/blobs/<sha256>.
func blobs(cache, repo, digest string) []string {
	if cache == "" || digest == "" {
		return nil
	}
	found, _ := filepath.Glob(filepath.Join(cache, repo, "blobs", digest)) // only a bad pattern fails
	return found
}

// take makes the content of the file at src ours if it is f's: by a hard link, else by a copy. The digest is checked on what
// is then in our folder.
func (p *puller) take(ctx context.Context, src string, f file) bool {
	info, err := os.Stat(src)
	if err != nil || !info.Mode().IsRegular() || info.Size() != f.size {
		return false
	}
	real, err := filepath.EvalSymlinks(src)
	if err != nil {
		return false
	}
	tmp := tempPrefix + f.name
	_ = p.root.Remove(tmp)
	if os.Link(real, filepath.Join(p.dir, tmp)) != nil {
		if p.copyFile(ctx, real, tmp) != nil {
			_ = p.root.Remove(tmp)
			return false
		}
	}
	in, err := p.root.Open(tmp)
	if err != nil {
		return false
	}
	sum := sha256.New()
	_, err = p.hash(ctx, sum, in, Progress{File: f.name, Phase: Verifying, Total: f.size})
	_ = in.Close()
	if err != nil || hex.EncodeToString(sum.Sum(nil)) != f.sha256 {
		_ = p.root.Remove(tmp)
		return false
	}
	if p.root.Rename(tmp, f.name) != nil {
		_ = p.root.Remove(tmp)
		return false
	}
	p.dropPart(f.name)
	return true
}

func (p *puller) copyFile(ctx context.Context, src, dst string) error {
	in, err := os.Open(src)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := p.root.OpenFile(dst, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, &interruptible{ctx, in})
	return errors.Join(err, out.Close())
}

// interruptible ends a copy when its context ends.
type interruptible struct {
	ctx context.Context
	r   io.Reader
}

func (i *interruptible) Read(b []byte) (int, error) {
	if err := i.ctx.Err(); err != nil {
		return 0, err
	}
	return i.r.Read(b)
}
