package hub

import (
	"context"
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
)

// repository is what the hub says about a model repository: GET /api/models/{user}/{repo}?blobs=true.
type repository struct {
	SHA      string       `json:"sha"` // commit
	Siblings []remoteFile `json:"siblings"`
	CardData struct {
		Licence json.RawMessage `json:"license"` // a string, or several
	} `json:"cardData"`
}

type remoteFile struct {
	Name string `json:"rfilename"`
	Size int64  `json:"size"`
	LFS  *struct {
		SHA256 string `json:"sha256"`
		Size   int64  `json:"size"`
	} `json:"lfs"`
}

func (r remoteFile) size() int64 {
	if r.LFS != nil && r.LFS.Size > 0 {
		return r.LFS.Size
	}
	return r.Size
}

func (r remoteFile) digest() string {
	if r.LFS != nil && isDigest(r.LFS.SHA256) {
		return strings.ToLower(r.LFS.SHA256)
	}
	return ""
}

func (r *repository) licence() string {
	var one string
	if json.Unmarshal(r.CardData.Licence, &one) == nil {
		return one
	}
	var several []string
	if json.Unmarshal(r.CardData.Licence, &several) == nil {
		return strings.Join(several, ", ")
	}
	return ""
}

// revision is what files are fetched at: the commit that was described, so that all parts and digests belong together.
func (r *repository) revision() string {
	if len(r.SHA) == 40 && strings.Trim(r.SHA, "0123456789abcdef") == "" {
		return r.SHA
	}
	return "main"
}

// maxListing bounds the description of a repository; one with ten thousand files takes about 3 MB.
const maxListing = 16 << 20

// ask gets the description of a repository.
func (p *puller) ask(ctx context.Context, ref reference) (*repository, error) {
	u := p.endpoint.JoinPath("api", "models", ref.user, ref.repo)
	u.RawQuery = "blobs=true"
	ctx, timer, done := p.client.guard(ctx)
	defer done()
	a, err := p.client.get(ctx, u, 0)
	if err != nil {
		return nil, err
	}
	defer a.Body.Close()
	body := &stallGuard{body: a.Body, timer: timer, after: p.client.stall, ctx: ctx}
	var r repository
	if err := decodeLimited(body, &r, maxListing); err != nil {
		return nil, fmt.Errorf("%s: description of %s: %w", u.Host, ref.id(), err)
	}
	return &r, nil
}

// choose picks the files that ref means: those of the quantisation asked for, in any case, else Q4_K_M, else the first; all
// parts of a split model.
func (r *repository) choose(ref reference) ([]remoteFile, error) {
	var all []remoteFile
	for _, f := range r.Siblings {
		base := strings.ToLower(path.Base(f.Name))
		if strings.HasSuffix(base, ".gguf") && !strings.HasPrefix(base, "mmproj") && !strings.HasPrefix(base, "imatrix") {
			all = append(all, f)
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("no GGUF file among %d files", len(r.Siblings))
	}
	slices.SortStableFunc(all, func(a, b remoteFile) int { return strings.Compare(a.Name, b.Name) })
	pick := -1
	match := func(is func(remoteFile) bool) {
		if pick < 0 {
			pick = slices.IndexFunc(all, is)
		}
	}
	if ref.quant != "" {
		match(func(f remoteFile) bool { return strings.EqualFold(f.Name, ref.quant) })
		match(func(f remoteFile) bool { return strings.EqualFold(path.Base(f.Name), ref.quant) })
		match(func(f remoteFile) bool { return hasQuant(f.Name, ref.quant) })
		if pick < 0 {
			return nil, fmt.Errorf("no file of quantisation %s; there are %s", ref.quant, quants(all))
		}
	} else {
		match(func(f remoteFile) bool { return hasQuant(f.Name, "Q4_K_M") })
		match(func(remoteFile) bool { return true })
	}
	return parts(all, all[pick])
}

// hasQuant reports whether a file's path, without extension and part number, contains quant as a word.
func hasQuant(name, quant string) bool {
	s, q := strings.ToLower(stem(name)), strings.ToLower(quant)
	for at := 0; ; at++ {
		i := strings.Index(s[at:], q)
		if i < 0 {
			return false
		}
		at += i
		end := at + len(q)
		if (at == 0 || !wordByte(s[at-1])) && (end == len(s) || !wordByte(s[end])) {
			return true
		}
	}
}

func wordByte(c byte) bool { return c == '_' || c >= 'a' && c <= 'z' || c >= '0' && c <= '9' }

// stem takes .gguf and -00001-of-00003 off.
func stem(name string) string {
	s := name
	if strings.HasSuffix(strings.ToLower(s), ".gguf") {
		s = s[:len(s)-len(".gguf")]
	}
	if base, _, _, ok := splitName(s); ok {
		return base
	}
	return s
}

// splitName reads "name-00002-of-00003".
func splitName(s string) (base string, part, of int, ok bool) {
	if len(s) < 15 || s[len(s)-15] != '-' || s[len(s)-9:len(s)-5] != "-of-" {
		return "", 0, 0, false
	}
	part, err1 := strconv.Atoi(s[len(s)-14 : len(s)-9])
	of, err2 := strconv.Atoi(s[len(s)-5:])
	return s[:len(s)-15], part, of, err1 == nil && err2 == nil && part >= 1 && part <= of
}

// parts returns the files that make one model: chosen, or all parts of its split in order.
func parts(all []remoteFile, chosen remoteFile) ([]remoteFile, error) {
	if !plain(path.Base(chosen.Name)) {
		return nil, fmt.Errorf("file %q: not a name for this machine", chosen.Name)
	}
	base, _, of, split := splitName(strings.TrimSuffix(chosen.Name, path.Ext(chosen.Name)))
	if !split {
		return []remoteFile{chosen}, nil
	}
	const maxParts = 256
	if of > maxParts {
		return nil, fmt.Errorf("%s: %d parts, more than %d", chosen.Name, of, maxParts)
	}
	out := make([]remoteFile, of)
	for i := range of {
		want := fmt.Sprintf("%s-%05d-of-%05d%s", base, i+1, of, path.Ext(chosen.Name))
		at := slices.IndexFunc(all, func(f remoteFile) bool { return f.Name == want })
		if at < 0 {
			return nil, fmt.Errorf("part %d of %d is missing: %s", i+1, of, want)
		}
		out[i] = all[at]
	}
	return out, nil
}

// quants lists what a repository offers, for people.
func quants(all []remoteFile) string {
	var names []string
	for _, f := range all {
		s := path.Base(stem(f.Name))
		if i := strings.LastIndexAny(s, "-."); i >= 0 {
			s = s[i+1:]
		}
		if !slices.Contains(names, s) {
			names = append(names, s)
		}
		if len(names) == 40 {
			return strings.Join(names, ", ") + ", …"
		}
	}
	return strings.Join(names, ", ")
}
