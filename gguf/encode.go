package gguf

import (
	"encoding/binary"
	"fmt"
	"math"
)

// encode appends the bytes of a metadata value in file order.
func encode(b []byte, v any) (Kind, []byte, error) {
	le := binary.LittleEndian
	switch v := v.(type) {
	case uint8:
		return Uint8, append(b, v), nil
	case int8:
		return Int8, append(b, uint8(v)), nil
	case uint16:
		return Uint16, le.AppendUint16(b, v), nil
	case int16:
		return Int16, le.AppendUint16(b, uint16(v)), nil
	case uint32:
		return Uint32, le.AppendUint32(b, v), nil
	case int32:
		return Int32, le.AppendUint32(b, uint32(v)), nil
	case uint64:
		return Uint64, le.AppendUint64(b, v), nil
	case int64:
		return Int64, le.AppendUint64(b, uint64(v)), nil
	case float32:
		return Float32, le.AppendUint32(b, math.Float32bits(v)), nil
	case float64:
		return Float64, le.AppendUint64(b, math.Float64bits(v)), nil
	case bool:
		if v {
			return Bool, append(b, 1), nil
		}
		return Bool, append(b, 0), nil
	case string:
		return String, appendString(b, v), nil
	case []uint8:
		return encodeArray(b, v, Uint8)
	case []int8:
		return encodeArray(b, v, Int8)
	case []uint16:
		return encodeArray(b, v, Uint16)
	case []int16:
		return encodeArray(b, v, Int16)
	case []uint32:
		return encodeArray(b, v, Uint32)
	case []int32:
		return encodeArray(b, v, Int32)
	case []uint64:
		return encodeArray(b, v, Uint64)
	case []int64:
		return encodeArray(b, v, Int64)
	case []float32:
		return encodeArray(b, v, Float32)
	case []float64:
		return encodeArray(b, v, Float64)
	case []bool:
		return encodeArray(b, v, Bool)
	case []string:
		b = le.AppendUint32(b, uint32(String))
		b = le.AppendUint64(b, uint64(len(v)))
		for _, s := range v {
			b = appendString(b, s)
		}
		return Array, b, nil
	}
	return 0, nil, fmt.Errorf("value of Go type %T has no kind in the format", v)
}

func encodeArray[T any](b []byte, v []T, elem Kind) (Kind, []byte, error) {
	b = binary.LittleEndian.AppendUint32(b, uint32(elem))
	b = binary.LittleEndian.AppendUint64(b, uint64(len(v)))
	b, err := binary.Append(b, binary.LittleEndian, v)
	return Array, b, err
}

func appendString(b []byte, s string) []byte {
	b = binary.LittleEndian.AppendUint64(b, uint64(len(s)))
	return append(b, s...)
}
