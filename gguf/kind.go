package gguf

import "fmt"

// Kind is the type of a metadata value; the numbers are those in the file.
type Kind uint32

// The kinds of the format, and Missing for a key that is not there.
const (
	Uint8   Kind = 0
	Int8    Kind = 1
	Uint16  Kind = 2
	Int16   Kind = 3
	Uint32  Kind = 4
	Int32   Kind = 5
	Float32 Kind = 6
	Bool    Kind = 7
	String  Kind = 8
	Array   Kind = 9
	Uint64  Kind = 10
	Int64   Kind = 11
	Float64 Kind = 12
	Missing Kind = 1<<32 - 1
)

var kinds = [...]struct {
	name string
	size int // bytes of one value; 0 where it varies
}{
	Uint8: {"uint8", 1}, Int8: {"int8", 1}, Uint16: {"uint16", 2}, Int16: {"int16", 2}, Uint32: {"uint32", 4},
	Int32: {"int32", 4}, Float32: {"float32", 4}, Bool: {"bool", 1}, String: {"string", 0}, Array: {"array", 0},
	Uint64: {"uint64", 8}, Int64: {"int64", 8}, Float64: {"float64", 8},
}

func (k Kind) known() bool { return int64(k) < int64(len(kinds)) }

// size returns the bytes of one value, 0 if they vary.
func (k Kind) size() int { return kinds[k].size }

// String returns "uint32", "array", "missing", or "kind 13" for a number that the format does not define.
func (k Kind) String() string {
	switch {
	case k.known():
		return kinds[k].name
	case k == Missing:
		return "missing"
	}
	return fmt.Sprintf("kind %d", uint32(k))
}
