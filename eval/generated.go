package eval

import (
	"fmt"
	"os"
	"strings"

	"pith/engine"
	"pith/eval/ruler"
	"pith/tokenizer"
)

// Names of the tasks whose samples are generated here.
const (
	TaskNIAH  = "niah"
	TaskRULER = "ruler"
)

// Generator makes samples of a seed for one engine's tokenizer and chat format.
type Generator struct {
	Seed    uint64
	Tokens  *ruler.Tokens
	tok     *tokenizer.Tokenizer
	frame   *frame
	context int // tokens that the model takes
}

// NewGenerator prepares to make samples.
func NewGenerator(e *engine.Engine, seed uint64) (*Generator, error) {
	f, err := newFrame(e)
	if err != nil {
		return nil, err
	}
	tok := e.Tokenizer()
	return &Generator{Seed: seed, Tokens: ruler.NewTokens(continuation(tok), tok.Piece), tok: tok, frame: f, context: e.Config().Context}, nil
}

// continuation returns an encoder of text that follows other text. Vocabularies that put a space before a text's first word must not
// do so here: the text is encoded behind a byte that joins nothing, and what stands for the byte is taken off.
func continuation(tok *tokenizer.Tokenizer) func(text string) ([]int32, error) {
	const lead = "\x03"
	encode := func(text string) ([]int32, error) { return tok.Encode(text, tokenizer.Options{}) }
	probe, err := encode("a")
	if err != nil || !strings.HasPrefix(string(tok.Decode(probe)), " ") {
		return encode
	}
	return func(text string) ([]int32, error) {
		ids, err := encode(lead + text)
		if err != nil {
			return nil, err
		}
		for i, id := range ids {
			if strings.HasSuffix(string(tok.Piece(id)), lead) {
				return ids[i+1:], nil
			}
		}
		return encode(text)
	}
}

func (g *Generator) options(length, index int) ruler.Options {
	return ruler.Options{Length: length, Frame: len(g.frame.head) + len(g.frame.tail), Seed: g.Seed, Index: index,
		Plain: g.frame.tail == nil, Tokens: g.Tokens}
}

// asked puts a sample into the chat.
func (g *Generator) asked(s *ruler.Sample, k Key) *Asked {
	return &Asked{Key: k, Context: join(g.frame.head, s.Context), Question: s.Question, Suffix: join(g.frame.tail, s.Cue),
		Generate: s.Generate, Answers: s.Answers, Score: s.Score,
		Done: func(reply string) bool { return s.Score(reply) == 1 }}
}

func (g *Generator) seed() string { return fmt.Sprintf("seed %d", g.Seed) }

// NIAH is the needle grid: each length, depth and number of digits with count samples.
func (g *Generator) NIAH(lengths []int, depths []float64, digits []int, count int) []Sampling {
	var all []Sampling
	for _, length := range lengths {
		for _, depth := range depths {
			for _, n := range digits {
				for i := range count {
					k := Key{Length: length, Depth: &depth, Digits: n, Sample: &i, Input: g.seed()}
					all = append(all, Sampling{Key: k, Tokens: length, What: fmt.Sprintf("%d tokens, depth %.0f%%, %d digits, sample %d", length, 100*depth, n, i),
						Make: func() (*Asked, error) {
							s, err := ruler.Needle(depth, n, g.options(length, i))
							if err != nil {
								return nil, err
							}
							return g.asked(s, k), nil
						}})
				}
			}
		}
	}
	return all
}

// Needles are facts hidden in contexts of exactly so many tokens, count at each length and depth, numbered from first on. The answers
// are there as tokens, to be teacher-forced.
func (g *Generator) Needles(first int, lengths []int, depths []float64, digits, count int) ([]Needle, error) {
	var all []Needle
	for _, length := range lengths {
		for _, depth := range depths {
			for range count {
				o := ruler.Options{Length: length, Frame: len(g.frame.head), Seed: g.Seed, Index: len(all), Plain: g.frame.tail == nil, Tokens: g.Tokens}
				f, err := ruler.Hide(depth, digits, o)
				if err != nil {
					return nil, fmt.Errorf("eval: %w", err)
				}
				all = append(all, Needle{Sample: first + len(all), Context: join(g.frame.head, f.Context),
					QA: []Question{{Question: f.Question, Suffix: join(g.frame.tail, f.Cue), Answer: f.Answer}}})
			}
		}
	}
	return all, nil
}

// RULER is count samples of each of the tasks at each length. Paragraphs may be nil if no task needs them.
func (g *Generator) RULER(tasks []string, lengths []int, count int, paragraphs map[string]*ruler.Paragraphs) []Sampling {
	var all []Sampling
	for _, length := range lengths {
		for _, task := range tasks {
			for i := range count {
				k := Key{Set: task, Length: length, Sample: &i, Input: g.seed()}
				all = append(all, Sampling{Key: k, Tokens: length, What: fmt.Sprintf("%s, %d tokens, sample %d", task, length, i),
					Make: func() (*Asked, error) {
						o := g.options(length, i)
						o.Paragraphs = paragraphs[task]
						s, err := ruler.Make(task, o)
						if err != nil {
							return nil, err
						}
						return g.asked(s, k), nil
					}})
			}
		}
	}
	return all
}

// RULERTasks returns the tasks that can be made of what is given: those that need paragraphs only where there are some.
func RULERTasks(paragraphs map[string]*ruler.Paragraphs) []string {
	var tasks []string
	for _, t := range ruler.Tasks() {
		if !ruler.NeedsParagraphs(t) || paragraphs[t] != nil {
			tasks = append(tasks, t)
		}
	}
	return tasks
}

// CheckRULER refuses a task that is unknown or lacks its paragraphs.
func CheckRULER(task string, paragraphs map[string]*ruler.Paragraphs) error {
	for _, t := range ruler.Tasks() {
		if t == task {
			if ruler.NeedsParagraphs(t) && paragraphs[t] == nil {
				return fmt.Errorf("eval: ruler's %s is made from paragraphs, none are given", t)
			}
			return nil
		}
	}
	return fmt.Errorf("eval: ruler has no task %q; it has %s", task, strings.Join(ruler.Tasks(), ", "))
}

// ReadParagraphs reads the files from which RULER's tasks of questions are made, by task.
func ReadParagraphs(files map[string]string) (map[string]*ruler.Paragraphs, error) {
	all := map[string]*ruler.Paragraphs{}
	for task, path := range files {
		if !ruler.NeedsParagraphs(task) {
			return nil, fmt.Errorf("eval: paragraphs for %q; only qa_1 and qa_2 are made from any", task)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("eval: %w", err)
		}
		if all[task], err = ruler.ReadParagraphs(data); err != nil {
			return nil, fmt.Errorf("eval: %s: %w", path, err)
		}
	}
	return all, nil
}
