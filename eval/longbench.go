package eval

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"pith/eval/metric"
	"pith/tokenizer"
)

// TaskLongBench names rows of the benchmark of that name (arXiv 2308.14508).
const TaskLongBench = "longbench"

//go:embed longbench.json
var longBenchJSON []byte

// longBenchSet is how one of the benchmark's data sets is asked and scored.
type longBenchSet struct {
	Name      string `json:"name"`
	Prompt    string `json:"prompt"` // with {context} and perhaps {input}
	Metric    string `json:"metric"`
	Generate  int    `json:"generate"`   // new tokens at most
	Plain     bool   `json:"plain"`      // not put into a chat
	FirstLine bool   `json:"first_line"` // of the reply counts
}

var longBenchSets = sync.OnceValue(func() []longBenchSet {
	var f struct{ Sets []longBenchSet }
	if err := json.Unmarshal(longBenchJSON, &f); err != nil {
		panic("eval: longbench.json: " + err.Error()) // made with the program
	}
	return f.Sets
})

// LongBenchSets returns the names of the benchmark's data sets.
func LongBenchSets() []string {
	var names []string
	for _, s := range longBenchSets() {
		names = append(names, s.Name)
	}
	return names
}

// longBenchItem is a line of the benchmark's files.
type longBenchItem struct {
	Input   string   `json:"input"`
	Context string   `json:"context"`
	Answers []string `json:"answers"`
	Classes []string `json:"all_classes"`

	digest string
}

// LongBench reads the benchmark's own files, NAME.jsonl in dir, and makes the first count samples of each set, all if count is 0. An
// empty list of sets means every set whose file is there. Prompts longer than truncate tokens (0: what the model's context holds) lose
// their middle, as in the benchmark: half of the bound is kept at either end.
func (g *Generator) LongBench(dir string, sets []string, count, truncate int) ([]Sampling, error) {
	names := LongBenchSets()
	for _, s := range sets {
		if !slices.Contains(names, s) {
			return nil, fmt.Errorf("eval: longbench has no set %q; it has %s", s, strings.Join(names, ", "))
		}
	}
	var all []Sampling
	for _, set := range longBenchSets() {
		if len(sets) > 0 && !slices.Contains(sets, set.Name) {
			continue
		}
		path := filepath.Join(dir, set.Name+rowsSuffix)
		items, err := readLongBench(path)
		if errors.Is(err, fs.ErrNotExist) && len(sets) == 0 {
			continue
		}
		if err != nil {
			return nil, err
		}
		if count > 0 && len(items) > count {
			items = items[:count]
		}
		limit := g.context - set.Generate - speedSteps - 1
		if !set.Plain {
			limit -= len(g.frame.head) + len(g.frame.tail)
		}
		if truncate > 0 {
			limit = min(limit, truncate)
		}
		if limit < 2 {
			return nil, fmt.Errorf("eval: longbench %s: a context of %d tokens leaves no room for a prompt", set.Name, g.context)
		}
		for i, item := range items {
			k := Key{Set: set.Name, Sample: &i, Input: fmt.Sprintf("%s at most %d", item.digest, limit)}
			all = append(all, Sampling{Key: k, What: fmt.Sprintf("%s %d", set.Name, i), Tokens: min(limit, len(item.Context)/4+100),
				Make: func() (*Asked, error) { return g.longBench(set, item, k, limit) }})
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("eval: longbench: %s holds none of the files NAME%s of the benchmark", dir, rowsSuffix)
	}
	return all, nil
}

func readLongBench(path string) ([]longBenchItem, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("eval: longbench: %w", err)
	}
	var items []longBenchItem
	n := 0
	for line := range bytes.Lines(data) {
		n++
		if line = bytes.TrimSpace(line); len(line) == 0 {
			continue
		}
		var item longBenchItem
		if err := json.Unmarshal(line, &item); err != nil {
			return nil, fmt.Errorf("eval: longbench: %s: line %d: %w", path, n, err)
		}
		if item.Context == "" || len(item.Answers) == 0 {
			return nil, fmt.Errorf("eval: longbench: %s: line %d: no context or no answers", path, n)
		}
		sum := sha256.Sum256(line)
		item.digest = hex.EncodeToString(sum[:8])
		items = append(items, item)
	}
	return items, nil
}

// longBench puts one item into its prompt. What stands before the input is the context that the hidden mode compresses.
func (g *Generator) longBench(set longBenchSet, item longBenchItem, k Key, limit int) (*Asked, error) {
	before, after, _ := strings.Cut(set.Prompt, "{context}")
	head, tail := g.frame.head, g.frame.tail
	if set.Plain {
		head, tail = nil, nil
		if bos, ok := g.tok.BOS(); ok && g.tok.AddBOS() {
			head = []int32{bos}
		}
	}
	encode := continuation(g.tok)
	if len(head) == 0 {
		encode = func(text string) ([]int32, error) { return g.tok.Encode(text, tokenizer.Options{}) }
	}
	context, err := encode(before + item.Context)
	if err != nil {
		return nil, err
	}
	question, err := continuation(g.tok)(strings.Replace(after, "{input}", item.Input, 1))
	if err != nil {
		return nil, err
	}
	context, question = withoutMiddle(context, question, limit)
	return &Asked{Key: k, Context: join(head, context), Question: question, Suffix: tail, Generate: set.Generate, Answers: item.Answers,
		Score: func(reply string) float64 { return set.score(reply, item) },
		Done: func(reply string) bool {
			return set.FirstLine && strings.Contains(strings.TrimLeft(reply, "\n"), "\n")
		}}, nil
}

// withoutMiddle cuts two parts of one prompt down to limit tokens: half of the limit is left at either end. Neither part becomes empty
// that was not.
func withoutMiddle(context, question []int32, limit int) (c, q []int32) {
	total := len(context) + len(question)
	if total <= limit {
		return context, question
	}
	half := limit / 2
	switch {
	case half >= len(question): // the end holds the question and the last part of the context
		c = join(context[:half], context[len(context)-(half-len(question)):])
		return c, question
	default: // the question itself is longer than half
		return context[:min(half, len(context))], question[len(question)-half:]
	}
}

// score is the best over the answers.
func (set *longBenchSet) score(reply string, item longBenchItem) float64 {
	if set.FirstLine {
		reply = metric.FirstLine(reply)
	}
	best := 0.0
	for _, a := range item.Answers {
		var s float64
		switch set.Metric {
		case "f1":
			s = metric.F1(reply, a)
		case "f1_zh":
			s = metric.F1Characters(reply, a)
		case "rouge":
			s = metric.RougeL(reply, a)
		case "rouge_zh":
			s = metric.RougeLCharacters(reply, a)
		case "class":
			s = metric.Classification(reply, a, item.Classes)
		case "count":
			s = metric.Count(reply, a)
		case "retrieval":
			s = metric.Retrieval(reply, a)
		case "edit":
			s = metric.EditSimilarity(reply, a)
		}
		best = max(best, s)
	}
	return best
}
