package ruler

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Paragraphs are texts and questions that some of them answer.
type Paragraphs struct {
	texts     []string
	questions []asked
}

// asked is a question with the paragraphs, by index, that must be there, and its answers, of which one is enough.
type asked struct {
	question string
	answers  []string
	gold     []int
}

// Questions is how many there are.
func (p *Paragraphs) Questions() int { return len(p.questions) }

// ReadParagraphs reads one of three forms: SQuAD's JSON ({"data": [{"paragraphs": [{"context", "qas"}]}]}; questions without an answer
// are left out), HotpotQA's ([{"question", "answer", "context": [[title, [sentence, …]], …]}]), or lines of JSON of our own,
// {"question", "answers": [], "paragraphs": []}. Every paragraph of the file is a distractor for the questions of others.
func ReadParagraphs(data []byte) (*Paragraphs, error) {
	p := &Paragraphs{}
	var err error
	switch trimmed := bytes.TrimSpace(data); {
	case bytes.HasPrefix(trimmed, []byte("[")):
		err = p.readHotpot(data)
	case bytes.HasPrefix(trimmed, []byte("{")):
		var squad struct{ Data json.RawMessage }
		if json.Unmarshal(data, &squad) == nil && squad.Data != nil {
			err = p.readSquad(data)
		} else {
			err = p.readLines(data)
		}
	default:
		err = fmt.Errorf("neither an object nor a list")
	}
	if err == nil && len(p.questions) == 0 {
		err = fmt.Errorf("no question with an answer")
	}
	if err != nil {
		return nil, fmt.Errorf("ruler: paragraphs: %w", err)
	}
	return p, nil
}

// add takes over a text unless it is there, and returns its index.
func (p *Paragraphs) add(index map[string]int, text string) int {
	text = strings.TrimSpace(text)
	i, ok := index[text]
	if !ok {
		i = len(p.texts)
		index[text] = i
		p.texts = append(p.texts, text)
	}
	return i
}

func (p *Paragraphs) ask(question string, answers []string, gold []int) {
	answers = slices.DeleteFunc(slices.Clone(answers), func(a string) bool { return strings.TrimSpace(a) == "" })
	slices.Sort(answers)
	if answers = slices.Compact(answers); len(answers) > 0 && strings.TrimSpace(question) != "" && len(gold) > 0 {
		p.questions = append(p.questions, asked{question, answers, gold})
	}
}

func (p *Paragraphs) readSquad(data []byte) error {
	var f struct {
		Data []struct {
			Paragraphs []struct {
				Context string
				Qas     []struct {
					Question     string
					IsImpossible bool `json:"is_impossible"`
					Answers      []struct{ Text string }
				}
			}
		}
	}
	if err := json.Unmarshal(data, &f); err != nil {
		return err
	}
	index := map[string]int{}
	for _, d := range f.Data {
		for _, para := range d.Paragraphs {
			at := p.add(index, para.Context)
			for _, q := range para.Qas {
				var answers []string
				for _, a := range q.Answers {
					answers = append(answers, a.Text)
				}
				if !q.IsImpossible {
					p.ask(q.Question, answers, []int{at})
				}
			}
		}
	}
	return nil
}

func (p *Paragraphs) readHotpot(data []byte) error {
	var f []struct {
		Question, Answer string
		Context          [][2]json.RawMessage
	}
	if err := json.Unmarshal(data, &f); err != nil {
		return err
	}
	index := map[string]int{}
	for i, q := range f {
		var gold []int
		for _, c := range q.Context {
			var title string
			var sentences []string
			if err := json.Unmarshal(c[0], &title); err != nil {
				return fmt.Errorf("question %d: %w", i, err)
			}
			if err := json.Unmarshal(c[1], &sentences); err != nil {
				return fmt.Errorf("question %d: %w", i, err)
			}
			gold = append(gold, p.add(index, title+"\n"+strings.Join(sentences, "")))
		}
		p.ask(q.Question, []string{q.Answer}, gold)
	}
	return nil
}

func (p *Paragraphs) readLines(data []byte) error {
	index := map[string]int{}
	n := 0
	for line := range bytes.Lines(data) {
		n++
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		var q struct {
			Question   string
			Answers    []string
			Paragraphs []string
		}
		if err := json.Unmarshal(line, &q); err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
		var gold []int
		for _, text := range q.Paragraphs {
			gold = append(gold, p.add(index, text))
		}
		p.ask(q.Question, q.Answers, gold)
	}
	return nil
}

// questions makes a sample from paragraphs: those that answer among as many others as fit, shuffled.
func (b *builder) questions() (*Sample, error) {
	const ask = "Answer the question based on the given documents. Only give me the answer and do not output any other words."
	const intro = ask + "\n\nThe following are given documents.\n\n"
	p := b.Paragraphs
	q := p.questions[b.Index%len(p.questions)]
	s := b.sample("\n\n"+ask+"\n\nQuestion: "+q.question, "Answer:", q.answers...)
	s.Any = true
	var others []int
	for _, i := range b.random.Perm(len(p.texts)) {
		if !slices.Contains(q.gold, i) {
			others = append(others, i)
		}
	}
	place := make([]float64, len(p.texts)) // by paragraph: the order is that of random numbers, however many there are
	for i := range place {
		place[i] = b.random.Float64()
	}
	body, err := b.largest(s, intro, 0, len(others), func(n int) []int32 {
		chosen := append(slices.Clone(q.gold), others[:n]...)
		slices.SortFunc(chosen, func(i, j int) int {
			if place[i] < place[j] {
				return -1
			}
			return 1
		})
		var docs strings.Builder
		for i, c := range chosen {
			if i > 0 {
				docs.WriteString("\n\n")
			}
			fmt.Fprintf(&docs, "Document %d:\n%s", i+1, p.texts[c])
		}
		return b.ids(docs.String())
	})
	if err != nil {
		return nil, err
	}
	return b.finish(s, intro, body)
}
