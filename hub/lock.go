package hub

import (
	"context"
	"os"
	"path"
	"strings"
	"time"
)

// lockFolder holds a lock file for each model, which stays: one that is removed while somebody waits for it locks nothing.
const lockFolder = ".locks"

// lock keeps other pulls out of a model's folder until the returned function is called. The lock is the system's, on an open
// file: it ends with the process, so a killed pull blocks nobody.
func (p *puller) lock(ctx context.Context, root *os.Root, folder string) (func(), error) {
	if err := root.MkdirAll(lockFolder, 0o755); err != nil {
		return nil, err
	}
	name := path.Join(lockFolder, strings.ReplaceAll(folder, "/", "--"))
	f, err := root.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	for first := true; ; first = false {
		got, err := tryLock(f)
		if err != nil {
			_ = f.Close()
			return nil, err
		}
		if got {
			return func() { _ = f.Close() }, nil
		}
		if first {
			p.report.now(Progress{Phase: Waiting})
		}
		select {
		case <-ctx.Done():
			_ = f.Close()
			return nil, ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}
