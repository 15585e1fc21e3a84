package policy

import (
	"fmt"
	"strconv"
	"strings"
)

// A Share is how much of a prompt a recipe keeps: a percentage or a number of entries per KV head.
// The zero Share means that none was given.
type Share struct {
	millionths int64 // of the prompt; 250_000 is 25%
	entries    int
}

// Percent returns the share p% in whole percents.
func Percent(p int) Share { return Share{millionths: int64(p) * 10_000} }

// Entries returns the share of n entries per KV head, whatever the prompt's length.
func Entries(n int) Share { return Share{entries: n} }

// ParseShare reads "25%", "12.5%" (at most four decimals) or "512".
func ParseShare(s string) (Share, error) {
	bad := func(why string) (Share, error) {
		return Share{}, fmt.Errorf("policy: keep %q: %s; want a percentage such as 25%% or a number of entries such as 512", s, why)
	}
	if p, ok := strings.CutSuffix(s, "%"); ok {
		whole, frac, _ := strings.Cut(p, ".")
		if len(frac) > 4 {
			return bad("more than four decimals")
		}
		n, err := strconv.ParseUint(whole+frac+strings.Repeat("0", 4-len(frac)), 10, 31)
		if err != nil || whole == "" {
			return bad("not a number")
		}
		if n == 0 || n > 1_000_000 {
			return bad("outside 0% to 100%")
		}
		return Share{millionths: int64(n)}, nil
	}
	n, err := strconv.ParseUint(s, 10, 31)
	if err != nil {
		return bad("not a number")
	}
	if n == 0 {
		return bad("keeps nothing")
	}
	return Share{entries: int(n)}, nil
}

// IsZero reports whether no share was given.
func (s Share) IsZero() bool { return s == Share{} }

// Of returns the entries per KV head that the share allows of n prompt tokens: floor(n*P/100) in integer
// arithmetic, or the number given, and never more than n.
func (s Share) Of(n int) int {
	if s.entries > 0 {
		return min(s.entries, n)
	}
	return int(int64(n) * s.millionths / 1_000_000)
}

// String returns the share as it is written on the command line.
func (s Share) String() string {
	if s.entries > 0 {
		return strconv.Itoa(s.entries)
	}
	p := strconv.FormatInt(s.millionths/10_000, 10)
	if rest := s.millionths % 10_000; rest != 0 {
		p += "." + strings.TrimRight(fmt.Sprintf("%04d", rest), "0")
	}
	return p + "%"
}

// A Budget bounds what a sequence may hold. Both bounds apply where both are given.
type Budget struct {
	Keep  Share // of the prompt's entries, per KV head
	Bytes int64 // hard cap on pool bytes, generation included; 0 = none
}

// DefaultShare is what a recipe that evicts keeps when neither a share nor a cap is given.
var DefaultShare = Percent(25)

// ParseBytes reads a number of bytes with an optional unit: 8MiB, 1.5GB, 4096, 64k (binary for k, m, g and KiB…, decimal for KB…).
func ParseBytes(s string) (int64, error) {
	units := []struct {
		suffix string
		factor float64
	}{
		{"kib", 1 << 10}, {"mib", 1 << 20}, {"gib", 1 << 30}, {"kb", 1e3}, {"mb", 1e6}, {"gb", 1e9},
		{"k", 1 << 10}, {"m", 1 << 20}, {"g", 1 << 30}, {"b", 1},
	}
	low, factor := strings.ToLower(strings.TrimSpace(s)), 1.0
	for _, u := range units {
		if rest, ok := strings.CutSuffix(low, u.suffix); ok {
			low, factor = strings.TrimSpace(rest), u.factor
			break
		}
	}
	f, err := strconv.ParseFloat(low, 64)
	if err != nil || f < 0 || f*factor > 1<<50 || f != f {
		return 0, fmt.Errorf("policy: %q is no number of bytes; want for example 64MiB or 2GB", s)
	}
	return int64(f * factor), nil
}
