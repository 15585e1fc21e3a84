package hub

import (
	"fmt"
	"net/url"
	"path"
	"strings"
)

// reference is a name of the form hf.co/user/repo[:quant].
type reference struct {
	user, repo string
	quant      string // as given, empty when left out; also the name of a file
}

func (r reference) id() string { return r.user + "/" + r.repo }

func (r reference) String() string {
	if r.quant == "" {
		return "hf.co/" + r.id()
	}
	return "hf.co/" + r.id() + ":" + r.quant
}

// parseReference reads a hub name; ok is false when name is not of that form at all, and the error says what is wrong
// with one that is.
func parseReference(name string) (r reference, ok bool, err error) {
	rest := name
	for _, scheme := range []string{"https://", "http://"} {
		rest = strings.TrimPrefix(rest, scheme)
	}
	host, rest, found := strings.Cut(rest, "/")
	switch strings.ToLower(host) {
	case "hf.co", "huggingface.co", "www.huggingface.co":
	default:
		return r, false, nil
	}
	if !found {
		return r, true, fmt.Errorf("hub: %s: no repository", name)
	}
	rest, r.quant, _ = strings.Cut(rest, ":")
	parts := strings.Split(strings.TrimSuffix(rest, "/"), "/")
	if len(parts) != 2 {
		return r, true, fmt.Errorf("hub: %s: %d parts, not user/repo", name, len(parts))
	}
	r.user, r.repo = parts[0], parts[1]
	for _, p := range parts {
		if !plain(p) {
			return r, true, fmt.Errorf("hub: %s: %q is not a name that the hub gives", name, p)
		}
	}
	if r.quant != "" {
		for p := range strings.SplitSeq(r.quant, "/") {
			if !plain(p) {
				return r, true, fmt.Errorf("hub: %s: %q is not the name of a quantisation or file", name, r.quant)
			}
		}
	}
	return r, true, nil
}

// plain reports whether s is safe as the name of a folder or file on every system: letters, digits, dot, dash, underscore, no
// dot in front or at the end.
func plain(s string) bool {
	if s == "" || len(s) > 200 || s[0] == '.' || s[len(s)-1] == '.' || strings.Contains(s, "..") {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '.' || c == '-' || c == '_') {
			return false
		}
	}
	return !reserved(s)
}

// reserved reports names that Windows keeps for devices, whatever their extension.
func reserved(s string) bool {
	stem, _, _ := strings.Cut(strings.ToLower(s), ".")
	switch stem {
	case "con", "prn", "aux", "nul":
		return true
	}
	return len(stem) == 4 && (stem[:3] == "com" || stem[:3] == "lpt") && stem[3] >= '0' && stem[3] <= '9'
}

// folder is where a hub model lies below the store. Quantisations are told apart by folder, without case.
func (r reference) folder() string {
	quant := strings.ToLower(strings.ReplaceAll(r.quant, "/", "--"))
	if quant == "" {
		quant = "default"
	}
	return path.Join("hf.co", r.user, r.repo, quant)
}

// fileURL is the address of a repository's file at a revision.
func fileURL(endpoint *url.URL, repo, revision, file string) *url.URL {
	return endpoint.JoinPath(repo, "resolve", revision, file)
}
