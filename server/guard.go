package server

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"
)

// Listen opens a TCP listener. Without a key it refuses every address but loopback ones: whoever reaches the port may use the model.
func Listen(address, key string) (net.Listener, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("server: address %s: %w", address, err)
	}
	if key == "" && !loopback(host) {
		return nil, fmt.Errorf("server: address %s is reachable from other machines; that needs an API key", address)
	}
	return net.Listen("tcp", address)
}

// loopback reports whether a host is this machine and no other.
func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && ip.Unmap().IsLoopback()
}

func digest(key string) [32]byte { return sha256.Sum256([]byte(key)) }

// admit checks the key; where there is none, that the caller is not a web page that a browser on this machine has open: its Origin is
// foreign, or, after DNS rebinding, its Host is a name (CVE-2024-28224).
func (s *Server) admit(r *http.Request) *problem {
	if s.options.APIKey != "" {
		if r.URL.Path == "/health" {
			return nil
		}
		key, bearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		given := digest(key) // equal lengths whatever was sent, so that the comparison takes the same time
		if !bearer || subtle.ConstantTimeCompare(given[:], s.key[:]) != 1 {
			return &problem{status: http.StatusUnauthorized, Type: "invalid_request_error", Code: "invalid_api_key", Message: "Incorrect API key provided."}
		}
		return nil
	}
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	forbidden := &problem{status: http.StatusForbidden, Type: "invalid_request_error", Code: "forbidden_origin"}
	if !loopback(host) {
		forbidden.Message = fmt.Sprintf("Host %q is not this machine's; a server without an API key answers to localhost only.", host)
		return forbidden
	}
	if origin := r.Header.Get("Origin"); origin != "" {
		if u, err := url.Parse(origin); err != nil || !loopback(u.Hostname()) {
			forbidden.Message = "Requests from web pages of other origins need a server with an API key."
			return forbidden
		}
	}
	return nil
}

// maxDepth bounds the nesting of a request; JSON schemas of tools are the deepest that is sensible.
const maxDepth = 64

// bodyTime is how long a client may take to send its body.
const bodyTime = time.Minute

// read decodes a request's body into v.
func (s *Server) read(w http.ResponseWriter, r *http.Request, v any) *problem {
	control := http.NewResponseController(w)
	control.SetReadDeadline(time.Now().Add(bodyTime))
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, s.options.MaxBody))
	control.SetReadDeadline(time.Time{})
	if err != nil {
		var large *http.MaxBytesError
		if errors.As(err, &large) {
			return &problem{status: http.StatusRequestEntityTooLarge, Type: "invalid_request_error", Code: "body_too_large",
				Message: fmt.Sprintf("The request is larger than %d bytes.", large.Limit)}
		}
		return badRequest("", "The request could not be read: %v", err)
	}
	if depth(body) > maxDepth {
		return badRequest("", "The request is nested deeper than %d levels.", maxDepth)
	}
	if err := json.Unmarshal(body, v); err != nil {
		var kind *json.UnmarshalTypeError
		if errors.As(err, &kind) && kind.Field != "" {
			return badRequest(kind.Field, "Field %s cannot be a %s.", kind.Field, kind.Value)
		}
		var p *problem
		if errors.As(err, &p) {
			return p
		}
		return badRequest("", "The request is not valid JSON: %v", err)
	}
	return nil
}

// depth returns the deepest nesting of brackets outside strings; what is no JSON is found out later.
func depth(body []byte) int {
	deepest, level, quoted, escaped := 0, 0, false, false
	for _, c := range body {
		switch {
		case escaped:
			escaped = false
		case quoted:
			escaped = c == '\\'
			quoted = c != '"'
		case c == '"':
			quoted = true
		case c == '{' || c == '[':
			level++
			deepest = max(deepest, level)
		case c == '}' || c == ']':
			level--
		}
	}
	return deepest
}
