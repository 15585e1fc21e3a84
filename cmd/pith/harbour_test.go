package main

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"pith/internal/realmodel"
)

// harbourRecipe is the recipe of the README's example.
const harbourRecipe = "fastkv(window=32,kernel=13,rate=0.5)"

// A real model answers ten questions about the document that ships with the repository, through the command line: of those that the full
// cache answers, at least four fifths are answered from a quarter of it.
func TestAQuarterOfTheCacheAnswersAboutTheDocument(t *testing.T) {
	if testing.Short() {
		t.Skip("left out: twenty prefills of 3,000 tokens")
	}
	model := realmodel.Path(t, "smol")
	data, err := os.ReadFile("../../docs/texts/harbour.json")
	if err != nil {
		t.Fatal(err)
	}
	var questions []struct{ Question, Answer string }
	if err := json.Unmarshal(data, &questions); err != nil {
		t.Fatal(err)
	}
	full, kept := 0, 0
	for _, q := range questions {
		if !strings.Contains(ask(t, model, q.Question), q.Answer) {
			continue
		}
		full++
		answer := ask(t, model, q.Question, "--kv", harbourRecipe, "--keep", "25%")
		if strings.Contains(answer, q.Answer) {
			kept++
		} else {
			t.Logf("%s %q", q.Question, answer)
		}
	}
	if full < 6 || kept*5 < full*4 {
		t.Errorf("the full cache answers %d of %d questions, %s answers %d of those", full, len(questions), harbourRecipe, kept)
	}
	t.Logf("full %d of %d, %s %d of those", full, len(questions), harbourRecipe, kept)
}

func ask(t *testing.T, model, question string, flags ...string) string {
	t.Helper()
	var out bytes.Buffer
	root := newRoot()
	root.SetOut(&out)
	root.SetArgs(append([]string{"run", model, question, "--file", "../../docs/texts/harbour.txt", "-n", "24", "--json"}, flags...))
	if err := root.Execute(); err != nil {
		t.Fatal(err)
	}
	var answer struct{ Text string }
	if err := json.Unmarshal(out.Bytes(), &answer); err != nil {
		t.Fatalf("%v: %s", err, out.Bytes())
	}
	return answer.Text
}
