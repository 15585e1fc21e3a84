package hub

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
)

func address(t *testing.T, s string) *url.URL {
	t.Helper()
	u, err := url.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestRedirectRules(t *testing.T) {
	c := newClient(address(t, "https://hub.example"), "", Options{})
	for _, r := range []struct {
		from, to string
		private  bool
		ok       bool
	}{
		{"https://hub.example/a", "https://cdn.example/b", false, true},
		{"https://hub.example/a", "/b", false, true},
		{"https://hub.example/a", "http://cdn.example/b", false, false},
		{"https://hub.example/a", "https://127.0.0.1/b", false, false},
		{"https://hub.example/a", "https://[::1]/b", false, false},
		{"https://hub.example/a", "https://169.254.169.254/latest", false, false},
		{"https://hub.example/a", "https://localhost./b", false, false},
		{"https://hub.example/a", "https://10.1.2.3/b", false, false},
		{"https://hub.example/a", "https://[::ffff:10.1.2.3]/b", false, false},
		{"https://hub.example/a", "file:///etc/passwd", false, false},
		{"https://hub.example/a", "https://user:pass@cdn.example/b", false, false},
		{"https://hub.example/a", "", false, false},
		{"http://127.0.0.1:1/a", "http://127.0.0.1:2/b", true, true},
	} {
		if _, err := c.redirect(address(t, r.from), r.to, r.private); (err == nil) != r.ok {
			t.Errorf("%s -> %s: %v", r.from, r.to, err)
		}
	}
}

// A name that resolves to a private address is caught when it is dialled.
func TestPublicTransportRefusesPrivateAddresses(t *testing.T) {
	s := httptest.NewServer(http.NotFoundHandler())
	defer s.Close()
	t.Setenv("NO_PROXY", "*")
	c := newClient(address(t, "https://hub.example"), "", Options{})
	defer c.close()
	for _, host := range []string{"127.0.0.1", "localhost"} {
		u := address(t, s.URL)
		u.Host = host + ":" + u.Port()
		req, _ := http.NewRequestWithContext(context.Background(), http.MethodGet, u.String(), nil)
		if resp, err := c.public.RoundTrip(req); err == nil {
			resp.Body.Close()
			t.Errorf("%s: reached", host)
		} else if !strings.Contains(err.Error(), "private address") && host == "127.0.0.1" {
			t.Errorf("%s: %v", host, err)
		}
	}
}

func TestPrivateAddresses(t *testing.T) {
	for s, want := range map[string]bool{
		"8.8.8.8": false, "2606:4700::1111": false, "10.0.0.1": true, "172.16.5.4": true, "192.168.1.1": true, "127.0.0.2": true, "0.0.0.0": true,
		"169.254.1.1": true, "100.64.0.1": true, "::1": true, "fe80::1": true, "fd00::1": true, "::ffff:192.168.0.1": true, "224.0.0.1": true,
	} {
		if got := isPrivate(netip.MustParseAddr(s)); got != want {
			t.Errorf("%s: %v", s, got)
		}
	}
}

func TestTokenGoesToItsOwnHostOnly(t *testing.T) {
	hub := address(t, "https://hub.example")
	for s, want := range map[string]bool{
		"https://hub.example/x": true, "https://HUB.example:443/x": true, "http://hub.example/x": false, "https://hub.example:8443/x": false,
		"https://cdn.hub.example/x": false, "https://hub.example.evil/x": false,
	} {
		if got := sameHost(address(t, s), hub); got != want {
			t.Errorf("%s: %v", s, got)
		}
	}
}

func TestRedirectLoopEnds(t *testing.T) {
	h := newFakeHub(t)
	n := 0
	h.api.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n++
		http.Redirect(w, r, r.URL.Path, http.StatusFound)
	})
	_, err := newStore(t).Pull(context.Background(), "hf.co/u/r", h.options())
	if err == nil || !strings.Contains(err.Error(), "redirects") || n != maxRedirects {
		t.Errorf("%v after %d", err, n)
	}
}
