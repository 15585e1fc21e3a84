package ruler

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// vocabulary is a tokenizer for tests: words and signs with the space before them, cut into pieces of four letters and single digits.
type vocabulary struct {
	ids    map[string]int32
	pieces [][]byte
	tokens *Tokens
}

func newVocabulary() *vocabulary {
	v := &vocabulary{ids: map[string]int32{}}
	v.tokens = NewTokens(v.encode, func(id int32) []byte { return v.pieces[id] })
	return v
}

var pieces = regexp.MustCompile(`\s?[a-zA-Z]{1,4}|\s?[0-9]|\s?[^\sa-zA-Z0-9]|\s`)

func (v *vocabulary) encode(s string) ([]int32, error) {
	var out []int32
	for _, p := range pieces.FindAllString(s, -1) {
		id, ok := v.ids[p]
		if !ok {
			id = int32(len(v.pieces))
			v.ids[p] = id
			v.pieces = append(v.pieces, []byte(p))
		}
		out = append(out, id)
	}
	return out, nil
}

func (v *vocabulary) decode(ids []int32) string {
	var b strings.Builder
	for _, id := range ids {
		b.Write(v.pieces[id])
	}
	return b.String()
}

func (v *vocabulary) options(length, index int) Options {
	return Options{Length: length, Frame: 9, Seed: 7, Index: index, Tokens: v.tokens, Paragraphs: testParagraphs()}
}

func testParagraphs() *Paragraphs {
	var lines []string
	for i := range 400 {
		q := map[string]any{"question": fmt.Sprintf("Which stone lies in box %d?", i), "answers": []string{fmt.Sprintf("stone%dx", i)},
			"paragraphs": []string{fmt.Sprintf("Box %d is made of wood and stands in the long corridor. It holds a single stone, called stone%dx, and nothing else.", i, i)}}
		b, _ := json.Marshal(q)
		lines = append(lines, string(b))
	}
	p, err := ReadParagraphs([]byte(strings.Join(lines, "\n")))
	if err != nil {
		panic(err)
	}
	return p
}

func (s *Sample) tokens() int { return len(s.Context) + len(s.Question) + len(s.Cue) + s.Generate }

func TestLengthIsExactToTheToken(t *testing.T) {
	v := newVocabulary()
	for _, task := range Tasks() {
		for _, length := range []int{1024, 4095, 12288} {
			s, err := Make(task, v.options(length, 3))
			if err != nil {
				if length == 1024 && (task == "cwe" || task == "fwe") && strings.Contains(err.Error(), "too short by") {
					continue
				}
				t.Errorf("%s at %d: %v", task, length, err)
				continue
			}
			if got := s.tokens() + 9; got != length {
				t.Errorf("%s: %d tokens, want %d", task, got, length)
			}
		}
	}
	for _, digits := range []int{1, 7, 64} {
		for _, depth := range []float64{0, 0.1, 0.5, 1} {
			s, err := Needle(depth, digits, v.options(3000, 1))
			if err != nil {
				t.Fatal(err)
			}
			if got := s.tokens() + 9; got != 3000 {
				t.Errorf("needle: %d tokens, want 3000", got)
			}
			context := v.decode(s.Context)
			if len(s.Answers[0]) != digits || strings.Count(context, s.Answers[0]) < 1 {
				t.Errorf("needle: answer %q of %d digits is not in the context", s.Answers[0], digits)
			}
			at := float64(strings.Index(context, "One of the special")) / float64(len(context))
			if at < depth-0.06 || at > depth+0.06 {
				t.Errorf("needle at depth %.2f, want %.2f", at, depth)
			}
		}
	}
}

func TestSameSeedSameSamples(t *testing.T) {
	for _, task := range Tasks() {
		v, w := newVocabulary(), newVocabulary()
		a, err := Make(task, v.options(4096, 5))
		if err != nil {
			t.Fatal(err)
		}
		b, _ := Make(task, w.options(4096, 5))
		if v.decode(a.Context) != w.decode(b.Context) || !slices.Equal(a.Answers, b.Answers) {
			t.Errorf("%s: two samples of the same seed differ", task)
		}
		c, _ := Make(task, v.options(4096, 6))
		if v.decode(a.Context) == v.decode(c.Context) {
			t.Errorf("%s: samples 5 and 6 are the same", task)
		}
		o := v.options(4096, 5)
		o.Seed++
		if d, _ := Make(task, o); v.decode(a.Context) == v.decode(d.Context) {
			t.Errorf("%s: seeds 7 and 8 give the same sample", task)
		}
	}
}

// TestAnswersAreUnique reads every task's context as a solver would and finds exactly the answers.
func TestAnswersAreUnique(t *testing.T) {
	v := newVocabulary()
	needle := regexp.MustCompile(`One of the special magic (?:numbers|uuids) for (\S+) is: (\S+)\.`)
	for _, task := range Tasks() {
		for index := range 4 {
			s, err := Make(task, v.options(4096, index))
			if err != nil {
				t.Fatal(err)
			}
			context, question := v.decode(s.Context), v.decode(s.Question)
			var found []string
			switch {
			case strings.HasPrefix(task, "niah"):
				for _, m := range needle.FindAllStringSubmatch(context, -1) {
					if regexp.MustCompile(`\b` + regexp.QuoteMeta(m[1]) + `\b`).MatchString(question) {
						found = append(found, m[2])
					}
				}
				for _, a := range s.Answers {
					if n := strings.Count(context, a); n != 1 {
						t.Errorf("%s: value %s stands %d times in the context", task, a, n)
					}
				}
			case task == "vt":
				holds := map[string]string{}
				at := strings.LastIndex(context, "Memorize")
				for _, m := range regexp.MustCompile(`VAR (\w+) = (?:VAR )?(\w+)`).FindAllStringSubmatch(context[at:], -1) {
					value := m[2]
					if held, ok := holds[value]; ok {
						value = held
					}
					holds[m[1]] = value
				}
				asked := regexp.MustCompile(`\d{5}`).FindString(question)
				for name, value := range holds {
					if value == asked {
						found = append(found, name)
					}
				}
			case task == "cwe":
				found = mostFrequent(regexp.MustCompile(`\d+\. ([a-z-]+)`), context[strings.LastIndex(context, "Below"):], common)
			case task == "fwe":
				found = mostFrequent(regexp.MustCompile(`\b([a-z]{6})\b`), context[strings.Index(context, "...."):], 3)
			default:
				if !strings.Contains(context, s.Answers[0]) {
					t.Errorf("%s: the answer %q is not in the context", task, s.Answers[0])
				}
				continue
			}
			slices.Sort(found)
			want := slices.Sorted(slices.Values(s.Answers))
			if !slices.Equal(found, want) {
				t.Errorf("%s sample %d: the context says %q, the sample %q", task, index, found, want)
			}
		}
	}
}

// mostFrequent returns the n most frequent words, none if the last of them is no more frequent than the next.
func mostFrequent(word *regexp.Regexp, text string, n int) []string {
	count := map[string]int{}
	for _, m := range word.FindAllStringSubmatch(text, -1) {
		count[m[1]]++
	}
	var words []string
	for w := range count {
		words = append(words, w)
	}
	slices.SortFunc(words, func(a, b string) int { return count[b] - count[a] })
	if len(words) > n && count[words[n-1]] == count[words[n]] {
		return nil
	}
	return words[:n]
}

func TestScoreCountsContainedAnswers(t *testing.T) {
	all := &Sample{Answers: []string{"12", "ab-C"}}
	one := &Sample{Answers: []string{"Paris", "the capital"}, Any: true}
	for _, c := range []struct {
		s     *Sample
		reply string
		want  float64
	}{{all, "AB-c, then 12.", 1}, {all, "12", 0.5}, {all, "", 0}, {one, "It is PARIS", 1}, {one, "Rome", 0}} {
		if got := c.s.Score(c.reply); got != c.want {
			t.Errorf("%q scores %g, want %g", c.reply, got, c.want)
		}
	}
}

func TestParagraphsAreReadInThreeForms(t *testing.T) {
	for name, data := range map[string]string{
		"squad": `{"data":[{"paragraphs":[{"context":"A b c.","qas":[{"question":"q?","answers":[{"text":"b"},{"text":"b"}]},
			{"question":"none?","is_impossible":true,"answers":[]}]}]}]}`,
		"hotpot": `[{"question":"q?","answer":"b","context":[["T",["A b"," c."]]]}]`,
		"lines":  "{\"question\":\"q?\",\"answers\":[\"b\"],\"paragraphs\":[\"A b c.\"]}\n\n",
	} {
		p, err := ReadParagraphs([]byte(data))
		if err != nil || p.Questions() != 1 || len(p.texts) != 1 || !slices.Equal(p.questions[0].answers, []string{"b"}) {
			t.Errorf("%s: %+v, %v", name, p, err)
		}
	}
	for _, bad := range []string{"", "x", "[]", "[1]", `{"data":[]}`, `{"question":"q","answers":[],"paragraphs":["a"]}`, `[{"context":[[1,2]]}]`} {
		if _, err := ReadParagraphs([]byte(bad)); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
}

func TestTooShortIsRefusedWithTheFigure(t *testing.T) {
	v := newVocabulary()
	for _, task := range Tasks() {
		if _, err := Make(task, v.options(100, 0)); err == nil || !strings.Contains(err.Error(), "too short by") {
			t.Errorf("%s at 100 tokens: %v", task, err)
		}
	}
	if _, err := Make("qa_3", v.options(4096, 0)); err == nil {
		t.Error("an unknown task is accepted")
	}
	if _, err := Needle(2, 7, v.options(4096, 0)); err == nil {
		t.Error("a depth of 2 is accepted")
	}
}
