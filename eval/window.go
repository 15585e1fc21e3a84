package eval

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"

	"pith/tokenizer"
)

// A Window is a context and the text that follows it, as token ids.
type Window struct {
	Window       int       `json:"window"`
	Context      []int32   `json:"context_ids"`
	Continuation []int32   `json:"cont_ids"` // one more than the positions that are scored
	FullNLL      []float64 `json:"full_nll_per_pos,omitempty"`
}

// ReadWindows reads a JSON list of windows.
func ReadWindows(path string) ([]Window, error) {
	var ws []Window
	if err := readJSON(path, &ws); err != nil {
		return nil, err
	}
	for i, w := range ws {
		if len(w.Context) == 0 || len(w.Continuation) < 2 {
			return nil, fmt.Errorf("eval: windows %s: window %d has %d context and %d continuation tokens; want at least 1 and 2", path, i, len(w.Context), len(w.Continuation))
		}
	}
	return ws, nil
}

// CutWindows cuts a text into count windows, evenly spread over it, of so many context tokens and positions to score. A
// beginning-of-sequence token that the model wants stands at the front of each and counts.
func CutWindows(tok *tokenizer.Tokenizer, text []byte, context, positions, count int) ([]Window, error) {
	ids, err := tok.Encode(string(text), tokenizer.Options{})
	if err != nil {
		return nil, err
	}
	var front []int32
	if bos, ok := tok.BOS(); ok && tok.AddBOS() {
		front = []int32{bos}
	}
	context -= len(front)
	need := context + positions + 1
	if context < 1 || positions < 1 || len(ids) < need {
		return nil, fmt.Errorf("eval: a text of %d tokens holds no window of %d and %d", len(ids), context, positions+1)
	}
	count = max(1, min(count, len(ids)/need))
	ws := make([]Window, count)
	for i := range ws {
		at := 0
		if count > 1 {
			at = i * (len(ids) - need) / (count - 1)
		}
		ws[i] = Window{Window: i, Context: join(front, ids[at:at+context]), Continuation: ids[at+context : at+need]}
	}
	return ws, nil
}

func readJSON(path string, into any) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("eval: %w", err)
	}
	if err := json.Unmarshal(data, into); err != nil {
		return fmt.Errorf("eval: %s: %w", path, err)
	}
	return nil
}

// join returns the lists one after the other, in memory of its own.
func join(lists ...[]int32) []int32 {
	var all []int32
	for _, l := range lists {
		all = append(all, l...)
	}
	return all
}

// digest names lists of tokens by 16 hexadecimal digits of their SHA-256.
func digest(lists ...[]int32) string {
	h := sha256.New()
	for _, l := range lists {
		b := binary.LittleEndian.AppendUint32(nil, uint32(len(l)))
		for _, id := range l {
			b = binary.LittleEndian.AppendUint32(b, uint32(id))
		}
		h.Write(b)
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}
