package tokenizer

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestStreamHoldsHalfCharacters(t *testing.T) {
	tok := small(t, smallBPE, nil)
	s := tok.Stream()
	var got []string
	for _, b := range []byte("a日🙂é\xffb\xf0\x9fx\xe6") {
		got = append(got, s.Next(TokenID(b)))
	}
	got = append(got, s.Flush(), s.Flush())
	want := []string{"a", "", "", "日", "", "", "", "🙂", "", "é", "\ufffd", "b", "", "", "\ufffdx", "", "\ufffd", ""}
	if strings.Join(got, "|") != strings.Join(want, "|") {
		t.Errorf("%q, want %q", got, want)
	}
}

// FuzzStream: however bytes are cut into pieces, the text is the same, and whole at each step.
func FuzzStream(f *testing.F) {
	f.Add([]byte("a日🙂\xf0\x9f\x98x\xc3\xed\xa0\x80"), uint64(0b1011))
	f.Fuzz(func(t *testing.T, data []byte, cuts uint64) {
		var s Stream
		want := replaced(data)
		var got strings.Builder
		for len(data) > 0 {
			n := min(1+int(cuts&3), len(data))
			cuts = cuts>>2 | cuts<<62
			part := s.write(data[:n])
			if !utf8.ValidString(part) {
				t.Fatalf("%q", part)
			}
			got.WriteString(part)
			data = data[n:]
		}
		got.WriteString(s.Flush())
		if got.String() != want {
			t.Fatalf("%q, want %q", got.String(), want)
		}
	})
}

func TestReplacedByMaximalStarts(t *testing.T) {
	for in, want := range map[string]string{ // Unicode 15, section 3.9, table 3-8 and its neighbours
		"\xc0\xaf\xe0\x80\xbf\xf0\x81\x82\x41": strings.Repeat("\ufffd", 8) + "A",
		"\xe1\x80\xe2\xf0\x91\x92\xf1\xbf\x41": strings.Repeat("\ufffd", 4) + "A",
		"\xed\xa0\x80\xf4\x91\x92\x93\xff":     strings.Repeat("\ufffd", 8),
		"ok\xe2\x82ok":                         "ok\ufffdok",
	} {
		if got := replaced([]byte(in)); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}
