package metric

import (
	"compress/gzip"
	"encoding/json"
	"math"
	"os"
	"testing"
)

// TestScoresEqualTheReferenceScorers compares with what LongBench's own code says (testdata/generate.py).
func TestScoresEqualTheReferenceScorers(t *testing.T) {
	f, err := os.Open("testdata/pairs.json.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	var data struct {
		Pairs []struct {
			Kind, Prediction, Truth string
			Classes                 []string
			Score                   float64
		}
	}
	if err := json.NewDecoder(z).Decode(&data); err != nil {
		t.Fatal(err)
	}
	count, wrong := map[string]int{}, map[string]int{}
	for _, p := range data.Pairs {
		var got float64
		switch p.Kind {
		case "f1":
			got = F1(p.Prediction, p.Truth)
		case "rouge_l":
			got = RougeL(p.Prediction, p.Truth)
		case "classification":
			got = Classification(p.Prediction, p.Truth, p.Classes)
		case "retrieval":
			got = Retrieval(p.Prediction, p.Truth)
		case "count":
			got = Count(p.Prediction, p.Truth)
		case "edit":
			got = EditSimilarity(p.Prediction, p.Truth)
		}
		count[p.Kind]++
		if math.Abs(got-p.Score) > 1e-12 {
			if wrong[p.Kind]++; wrong[p.Kind] <= 3 {
				t.Errorf("%s of %q against %q: %.15g, the reference %.15g", p.Kind, p.Prediction, p.Truth, got, p.Score)
			}
		}
	}
	for _, kind := range []string{"f1", "rouge_l", "classification", "retrieval", "count", "edit"} {
		if count[kind] < 200 {
			t.Errorf("%d pairs of %s, want at least 200", count[kind], kind)
		}
		t.Logf("%s: %d pairs, %d differ", kind, count[kind], wrong[kind])
	}
}

func TestChineseIsCutIntoCharacters(t *testing.T) {
	if got := F1Characters("北京，天安门。", "北京 天安"); math.Abs(got-2*0.8*1/1.8) > 1e-12 {
		t.Errorf("F1 is %g", got)
	}
	if got := RougeLCharacters("北京天安门", "北京天安门"); math.Abs(got-1) > 1e-7 {
		t.Errorf("ROUGE-L of equal texts is %g", got)
	}
	if got := F1Characters("，。", "北"); got != 0 {
		t.Errorf("F1 of punctuation is %g", got)
	}
}

func TestFirstLineSkipsEmptyOnes(t *testing.T) {
	for in, want := range map[string]string{"\n\nab\ncd": "ab", "ab": "ab", "": "", "\n": ""} {
		if got := FirstLine(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}
