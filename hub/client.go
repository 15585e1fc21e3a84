package hub

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"syscall"
	"time"
)

// client makes the requests of one pull. It follows redirects itself, because what may be followed, and what may be sent
// there, depends on where the chain began.
type client struct {
	endpoint *url.URL
	token    string
	any      *http.Transport // dials whatever it is told to
	public   *http.Transport // refuses private addresses
	stall    time.Duration

	mu      sync.Mutex
	proxies map[string]bool // host:port of the proxies in use; guarded by mu
}

// maxRedirects in one chain: the hub needs one or two.
const maxRedirects = 8

func newClient(endpoint *url.URL, token string, o Options) *client {
	def := func(d, v time.Duration) time.Duration {
		if d > 0 {
			return d
		}
		return v
	}
	c := &client{endpoint: endpoint, token: token, stall: def(o.Stall, 30*time.Second), proxies: map[string]bool{}}
	connect, header := def(o.Connect, 5*time.Second), def(o.Header, 20*time.Second)
	build := func(private bool) *http.Transport {
		dialer := &net.Dialer{Timeout: connect, KeepAlive: 15 * time.Second}
		if !private {
			dialer.ControlContext = func(_ context.Context, _, address string, _ syscall.RawConn) error {
				if a, err := netip.ParseAddrPort(address); err == nil && isPrivate(a.Addr()) && !c.isProxy(address) {
					return fmt.Errorf("redirect from a public host to the private address %s refused", a.Addr())
				}
				return nil
			}
		}
		return &http.Transport{
			Proxy: c.proxy, DialContext: dialer.DialContext, ForceAttemptHTTP2: true, TLSHandshakeTimeout: connect,
			ResponseHeaderTimeout: header, MaxResponseHeaderBytes: 64 << 10, IdleConnTimeout: 30 * time.Second,
			DisableCompression: true, // ranges and digests are of the bytes as they are stored
		}
	}
	c.any, c.public = build(true), build(false)
	return c
}

func (c *client) close() {
	c.any.CloseIdleConnections()
	c.public.CloseIdleConnections()
}

// proxy asks the environment, and remembers the proxy: its address may be private, and it is the user's own choice.
func (c *client) proxy(r *http.Request) (*url.URL, error) {
	u, err := http.ProxyFromEnvironment(r)
	if u == nil || err != nil {
		return u, err
	}
	host, port := u.Hostname(), u.Port()
	if port == "" {
		port = map[string]string{"https": "443", "socks5": "1080", "socks5h": "1080"}[u.Scheme]
		if port == "" {
			port = "80"
		}
	}
	addrs, err := net.DefaultResolver.LookupHost(r.Context(), host)
	if err != nil {
		addrs = []string{host} // the dial says what is wrong
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, a := range addrs {
		c.proxies[net.JoinHostPort(a, port)] = true
	}
	return u, nil
}

func (c *client) isProxy(address string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.proxies[address]
}

// isPrivate reports addresses that a public server has no business sending anyone to.
func isPrivate(a netip.Addr) bool {
	a = a.Unmap()
	return !a.IsGlobalUnicast() || a.IsPrivate() || a.IsLoopback() || a.IsLinkLocalUnicast() || sharedRange.Contains(a)
}

// sharedRange is RFC 6598, addresses behind a carrier's translation.
var sharedRange = netip.MustParsePrefix("100.64.0.0/10")

// looksPrivate reports a host that is private by its name alone, whoever resolves it.
func looksPrivate(host string) bool {
	if a, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		return isPrivate(a)
	}
	h := strings.ToLower(strings.TrimSuffix(host, "."))
	return h == "localhost" || strings.HasSuffix(h, ".localhost")
}

// statusError is an answer other than success.
type statusError struct {
	Code  int
	Where string // host
	Retry string // Retry-After
}

func (e *statusError) Error() string {
	text := http.StatusText(e.Code)
	switch e.Code {
	case http.StatusUnauthorized, http.StatusForbidden:
		text += "; the repository is private or its terms are not accepted: accept them there and set HF_TOKEN"
	case http.StatusTooManyRequests:
		if e.Retry != "" {
			text += "; try again in " + e.Retry + " s"
		}
	}
	return fmt.Sprintf("%s answered %d %s", e.Where, e.Code, text)
}

// answer is the response at the end of a chain of redirects, with what the hub's own host said about the file on the way.
type answer struct {
	*http.Response
	linkedSize int64  // X-Linked-Size, -1 when absent
	linkedSum  string // X-Linked-Etag where it is a SHA-256
}

// get requests u from byte offset on.
func (c *client) get(ctx context.Context, u *url.URL, offset int64) (*answer, error) {
	a := &answer{linkedSize: -1}
	transport := c.any
	for range maxRedirects {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
		if err != nil {
			return nil, err
		}
		req.Header.Set("User-Agent", "pith")
		if offset > 0 {
			req.Header.Set("Range", fmt.Sprintf("bytes=%d-", offset))
		}
		own := sameHost(u, c.endpoint)
		if own && c.token != "" {
			req.Header.Set("Authorization", "Bearer "+c.token)
		}
		private := looksPrivate(u.Hostname())
		trace := &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) {
			address := info.Conn.RemoteAddr().String()
			if ap, err := netip.ParseAddrPort(address); err == nil && isPrivate(ap.Addr()) && !c.isProxy(address) {
				private = true
			}
		}}
		resp, err := transport.RoundTrip(req.WithContext(httptrace.WithClientTrace(ctx, trace)))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", u.Host, err)
		}
		if own {
			a.note(resp.Header)
		}
		switch resp.StatusCode {
		case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
			_ = resp.Body.Close()
			next, err := c.redirect(u, resp.Header.Get("Location"), private)
			if err != nil {
				return nil, err
			}
			if !private {
				transport = c.public
			}
			u = next
			continue
		case http.StatusOK, http.StatusPartialContent:
			a.Response = resp
			return a, nil
		}
		_ = resp.Body.Close()
		return nil, &statusError{resp.StatusCode, u.Host, resp.Header.Get("Retry-After")}
	}
	return nil, fmt.Errorf("%s: more than %d redirects", c.endpoint.Host, maxRedirects)
}

// note keeps what the hub says about the file behind a redirect.
func (a *answer) note(h http.Header) {
	var size int64
	if _, err := fmt.Sscanf(h.Get("X-Linked-Size"), "%d", &size); err == nil && size >= 0 {
		a.linkedSize = size
	}
	if sum := strings.Trim(strings.TrimPrefix(h.Get("X-Linked-Etag"), "W/"), `"`); isDigest(sum) {
		a.linkedSum = strings.ToLower(sum)
	}
}

// redirect decides whether to go from u to the address in location.
func (c *client) redirect(u *url.URL, location string, private bool) (*url.URL, error) {
	if location == "" {
		return nil, fmt.Errorf("%s: redirect without an address", u.Host)
	}
	next, err := u.Parse(location)
	if err != nil {
		return nil, fmt.Errorf("%s: redirect to %.200q: not an address", u.Host, location)
	}
	switch {
	case next.Scheme != "https" && next.Scheme != "http":
		return nil, fmt.Errorf("%s: redirect to scheme %q refused", u.Host, next.Scheme)
	case u.Scheme == "https" && next.Scheme != "https":
		return nil, fmt.Errorf("%s: redirect from https to http refused", u.Host)
	case next.User != nil:
		return nil, fmt.Errorf("%s: redirect with a password refused", u.Host)
	case !private && looksPrivate(next.Hostname()):
		return nil, fmt.Errorf("%s: redirect from a public host to the private address %s refused", u.Host, next.Hostname())
	}
	return next, nil
}

// sameHost reports whether a secret meant for b may be sent to a: scheme, host and port are equal.
func sameHost(a, b *url.URL) bool {
	return a.Scheme == b.Scheme && strings.EqualFold(a.Hostname(), b.Hostname()) && port(a) == port(b)
}

func port(u *url.URL) string {
	if p := u.Port(); p != "" {
		return p
	}
	if u.Scheme == "https" {
		return "443"
	}
	return "80"
}

func isDigest(s string) bool {
	return len(s) == 64 && strings.Trim(strings.ToLower(s), "0123456789abcdef") == ""
}

var errStalled = errors.New("no data")

// stallGuard ends a body that sends nothing for too long.
type stallGuard struct {
	body  interface{ Read([]byte) (int, error) }
	timer *time.Timer
	after time.Duration
	ctx   context.Context
}

// guard returns a context for a request and a way to watch its body: the context ends when nothing came for the stall time.
func (c *client) guard(ctx context.Context) (context.Context, *time.Timer, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	timer := time.AfterFunc(time.Hour, func() { cancel(fmt.Errorf("%w for %v", errStalled, c.stall)) })
	return ctx, timer, func() {
		timer.Stop()
		cancel(context.Canceled)
	}
}

func (g *stallGuard) Read(b []byte) (int, error) {
	g.timer.Reset(g.after)
	n, err := g.body.Read(b)
	if err != nil && g.ctx.Err() != nil {
		err = context.Cause(g.ctx)
	}
	return n, err
}
