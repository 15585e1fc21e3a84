package hub

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Retries of a cut connection: as long as bytes come it goes on; so many tries in a row without a byte are the end.
const maxBarren = 4

// download brings f from an address, going on where an earlier try was cut off.
func (p *puller) download(ctx context.Context, source string, u *url.URL, f file) error {
	t, err := p.openPart(ctx, f, source)
	if err != nil {
		return err
	}
	defer t.close()
	at := Progress{File: f.name, Source: source, Phase: Fetching, Total: f.size}
	barren := 0
	for t.n < f.size {
		before := t.n
		err := p.attempt(ctx, t, u, at)
		if t.n == f.size {
			break
		}
		if err == nil {
			err = io.ErrUnexpectedEOF
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if t.n == before {
			barren++
		} else {
			barren = 0
		}
		if final(err, t.n) || barren >= maxBarren {
			if t.n == 0 && !errors.Is(err, errStalled) {
				return err
			}
			return fmt.Errorf("after %d of %d bytes: %w", t.n, f.size, err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(backoff(barren)):
		}
	}
	return t.finish()
}

// backoff before another try: nothing after progress, then 0.2 s, 0.4 s, …
func backoff(barren int) time.Duration {
	if barren == 0 {
		return 0
	}
	return 100 * time.Millisecond << barren
}

// errOther is a source that carries another content than the expected one.
var errOther = errors.New("carries another file")

// final reports errors that another try will not mend. A source that cannot be reached at all counts: there is another one.
func final(err error, have int64) bool {
	var status *statusError
	if errors.As(err, &status) {
		return status.Code < 500 && status.Code != http.StatusRequestedRangeNotSatisfiable
	}
	if errors.Is(err, errOther) {
		return true
	}
	cut := errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) || errors.Is(err, errStalled) ||
		strings.Contains(err.Error(), "connection reset") || strings.Contains(err.Error(), "GOAWAY") || strings.Contains(err.Error(), "stream error")
	return !cut && have == 0
}

// attempt makes one request for the rest of f and appends what comes.
func (p *puller) attempt(ctx context.Context, t *part, u *url.URL, at Progress) error {
	at.Bytes = t.n
	p.report.now(at)
	ctx, timer, done := p.client.guard(ctx)
	defer done()
	a, err := p.client.get(ctx, u, t.n)
	if err != nil {
		var status *statusError
		if errors.As(err, &status) && status.Code == http.StatusRequestedRangeNotSatisfiable {
			if rerr := t.reset(); rerr != nil {
				return rerr
			}
		}
		return err
	}
	defer a.Body.Close()
	if err := p.matches(a, t); err != nil {
		return err
	}
	body := &stallGuard{body: a.Body, timer: timer, after: p.client.stall, ctx: ctx}
	buf := make([]byte, 256<<10)
	for {
		n, err := body.Read(buf)
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

// matches checks that an answer is the rest of the file that the part is the beginning of.
func (p *puller) matches(a *answer, t *part) error {
	if a.linkedSum != "" && a.linkedSum != t.f.sha256 {
		return fmt.Errorf("%w: sha256 %s, not %s", errOther, a.linkedSum, t.f.sha256)
	}
	if a.linkedSize >= 0 && a.linkedSize != t.f.size {
		return fmt.Errorf("%w: %d bytes, not %d", errOther, a.linkedSize, t.f.size)
	}
	if a.StatusCode == http.StatusOK {
		if a.ContentLength >= 0 && a.ContentLength != t.f.size {
			return fmt.Errorf("%w: %d bytes, not %d", errOther, a.ContentLength, t.f.size)
		}
		if t.n > 0 {
			return t.reset() // the server knows no ranges: from the start
		}
		return nil
	}
	var first, last, size int64
	if _, err := fmt.Sscanf(a.Header.Get("Content-Range"), "bytes %d-%d/%d", &first, &last, &size); err != nil {
		return fmt.Errorf("range %.100q: not understood", a.Header.Get("Content-Range"))
	}
	if size != t.f.size {
		return fmt.Errorf("%w: %d bytes, not %d", errOther, size, t.f.size)
	}
	if first != t.n {
		return fmt.Errorf("range from %d, not %d", first, t.n)
	}
	return nil
}
