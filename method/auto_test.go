package method_test

import (
	"strings"
	"testing"

	"pith/engine"
	"pith/policy"
)

// What auto chooses must parse, hold the share of bytes, and get smaller with it.
func TestAutoHoldsItsShareOfBytes(t *testing.T) {
	e := openTiny(t, "llama-tied-f32", engine.Options{Exact: true, Threads: 2})
	ids, feed := text(700), text(3)
	full := run(t, e, "f16", "", ids, feed).bytes
	least := run(t, e, "full", "", ids[:1], feed).bytes
	for _, spec := range []string{"auto", "auto(pass=2)"} {
		last := full + 1
		for _, keep := range []string{"100%", "60%", "30%", "10%", "5%"} {
			share, err := policy.ParseShare(keep)
			if err != nil {
				t.Fatal(err)
			}
			o := run(t, e, spec, keep, ids, feed)
			if limit := max(share.Scale(full, len(ids)), least/2); o.bytes > limit || o.bytes > last {
				t.Errorf("%s %s: %d bytes, the share is %d, a larger one took %d", spec, keep, o.bytes, limit, last)
			}
			last = o.bytes
		}
	}
}

func TestAutoSaysWhatItChose(t *testing.T) {
	e := openTiny(t, "llama-tied-f32", engine.Options{Threads: 1})
	for budget, want := range map[policy.Budget]string{
		{Keep: policy.Percent(100)}: "f16", {Keep: policy.Percent(50)}: "+q8+", {Keep: policy.Percent(5)}: "gate+q4+match+", {Keep: policy.Percent(2)}: "gate+q4(values=q3)+match+", {}: "gate+q4+",
		{Bytes: 30 << 10}: "+q4+match+", {Bytes: 1 << 30}: "f16", {Keep: policy.Percent(2), Bytes: 1 << 30}: "+q4(values=q3)+",
	} {
		r, err := policy.Parse("auto")
		if err != nil {
			t.Fatal(err)
		}
		s, err := e.NewSequence(r, budget, 2000)
		if err != nil {
			t.Fatal(err)
		}
		if got := s.Recipe().String(); !strings.Contains(got, want) {
			t.Errorf("%+v: auto chose %s", budget, got)
		}
		s.Close()
	}
}

func TestAutoAndBytesRefuseWhatMakesNoSense(t *testing.T) {
	for spec, reason := range map[string]string{
		"auto+every":                      "stands alone",
		"auto+q8":                         "how entries are stored",
		"bytes":                           "score",
		"mikv+bytes":                      "demoted",
		"snapkv+pyramid+chunks+bytes":     "whole units",
		"auto(pass=3)":                    "want 1, 2",
		"expected+bytes+bytes":            "what a share is of",
		"union(first=kvzip)":              "first=kvzip",
		"duo+chunks":                      "units",
		"keydiff+blockwise+adakv":         "block by block",
		"snapkv+rounding+match":           "fitted",
		"match+every+snapkv":              "decided again",
		"kvzip+blockwise":                 "block by block",
		"expected+blockwise":              "block by block",
		"leverage+every":                  "do not exist",
		"duo+span":                        "distributed",
		"finch+every(steps=4)+simlayer":   "distributed again",
		"compactor(blending=-1)":          "outside",
		"noncausal(scale=maybe)":          "want yes, no",
		"simlayer+expected+global":        "distributed",
		"kvzip(plus=maybe)":               "want no, yes",
		"reach(distance=-1)":              "outside",
		"quota(size=1)+keydiff":           "outside",
		"blockwise(size=0)+keydiff":       "outside",
		"qfilter+every":                   "do not exist",
		"union+every":                     "do not exist",
		"union(first=snapkv,second=x)+q4": "second=x",
	} {
		if _, err := policy.Parse(spec); err == nil || !strings.Contains(err.Error(), reason) {
			t.Errorf("%q: %v; want a refusal that speaks of %q", spec, err, reason)
		}
	}
}
