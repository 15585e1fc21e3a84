package kvcache

import (
	"fmt"
	"strings"
)

// Position is an entry's index in the original text. It is final: neither eviction nor compaction renumbers it.
type Position int32

// Format says how one entry's key or value lies in memory. The zero value is F16.
type Format uint8

const (
	F16  Format = iota // 2 bytes a channel; out of range clamps, is counted, and turns the lane to BF16
	F32                // 4 bytes a channel
	BF16               // 2 bytes a channel
	Q8                 // per token: an f16 scale for every 32 channels, int8 codes
	Q4                 // 4-bit codes with scale and minimum: keys per channel over a group of tokens, values per token
	Q3                 // the same with 3 bits
	Q2                 // the same with 2 bits, over half as many tokens
)

var formatNames = [...]string{F16: "f16", F32: "f32", BF16: "bf16", Q8: "q8", Q4: "q4", Q3: "q3", Q2: "q2"}

func (f Format) String() string {
	if int(f) < len(formatNames) {
		return formatNames[f]
	}
	return fmt.Sprintf("format(%d)", uint8(f))
}

// ParseFormat is the inverse of String, in any case.
func ParseFormat(name string) (Format, error) {
	for f, s := range formatNames {
		if strings.EqualFold(s, name) {
			return Format(f), nil
		}
	}
	return 0, fmt.Errorf("kvcache: storage %q: not one of %s", name, strings.Join(formatNames[:], ", "))
}

// Bits is the width of one code.
func (f Format) Bits() int {
	return [...]int{F16: 16, F32: 32, BF16: 16, Q8: 8, Q4: 4, Q3: 3, Q2: 2}[f]
}

// Lossless reports whether f32 entries survive storing bit for bit.
func (f Format) Lossless() bool { return f == F32 }

// Grouped reports whether keys of this format share scales among a group of tokens. Such keys are stored a group at
// a time; what decode adds waits beside them as f16 until it is settled.
func (f Format) Grouped() bool { return f >= Q4 }

// GroupTokens is the number of tokens that share a scale in keys of a grouped format, 1 in the others. With 2 bits a
// group is half as long: the range of 64 tokens is too wide for four levels (KIVI, arXiv 2402.02750, takes 32).
func (f Format) GroupTokens() int {
	switch f {
	case Q4, Q3:
		return 64
	case Q2:
		return 32
	}
	return 1
}

// Storage is a pair of formats. The zero value is f16 for both. Its text form is "q4" when they are equal and "q8/q4",
// keys first, when they differ.
type Storage struct{ Keys, Values Format }

// Uniform stores keys and values alike.
func Uniform(f Format) Storage { return Storage{f, f} }

func (s Storage) String() string {
	if s.Keys == s.Values {
		return s.Keys.String()
	}
	return s.Keys.String() + "/" + s.Values.String()
}

// grouped reports whether entries of this storage wait in an f16 residual until a group is full.
func (s Storage) grouped() bool { return s.Keys.Grouped() || s.Values.Grouped() }

// Lossless reports whether f32 keys and values survive storing bit for bit.
func (s Storage) Lossless() bool { return s.Keys.Lossless() && s.Values.Lossless() }

// ParseStorage is the inverse of String, in any case.
func ParseStorage(text string) (Storage, error) {
	keys, values, two := strings.Cut(text, "/")
	if !two {
		values = keys
	}
	k, err := ParseFormat(keys)
	if err != nil {
		return Storage{}, err
	}
	v, err := ParseFormat(values)
	return Storage{k, v}, err
}

// MarshalText and UnmarshalText let a Storage stand in JSON and flags.
func (s Storage) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText is the inverse of MarshalText.
func (s *Storage) UnmarshalText(text []byte) (err error) {
	*s, err = ParseStorage(string(text))
	return err
}
