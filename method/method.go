// Package method holds the compression methods, one file each. A file ends in one policy.Register call; flags, request fields, the
// table of `pith methods`, the evaluation matrix and the conformance suite derive from it. Nothing but commands and tests import
// this package, for its registrations.
//
// Formulas are those of the papers in the variants that the reference implementations measure; where the two differ, the file says
// so. n is the number of entries of a layer, B the entries kept per KV head with pins included.
package method

import "pith/policy"

// pinParams are the two parameters that every score takes.
func pinParams(sinks, recent string) []policy.Param {
	return []policy.Param{
		{Name: "sinks", Default: sinks, Min: 0, Max: 1 << 20, Whole: true, Meaning: "first entries that are always kept"},
		{Name: "recent", Default: recent, Min: 0, Max: 1 << 20, Whole: true, Meaning: "newest entries that are always kept"},
	}
}

// pins are the first and the newest entries that a score keeps whatever they are worth.
type pins struct{ sinks, recent int }

func pinsOf(a policy.Args) pins { return pins{a.Int("sinks"), a.Int("recent")} }

// Pinned implements policy.Scorer.
func (p pins) Pinned(*policy.Layer) (sinks, recent int) { return p.sinks, p.recent }
