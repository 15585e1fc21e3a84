package eval

import (
	"context"
	"strings"
	"testing"
)

func TestCasesPairRecipesWithBudgets(t *testing.T) {
	for _, c := range []struct {
		specs, keeps []string
		memory, want string
	}{
		{[]string{"full", "snapkv"}, []string{"50%", "25%", "50%"}, "", "full; snapkv at 50%; snapkv at 25%"},
		{[]string{"snapkv", "q8", "quest"}, nil, "", "snapkv at 25%; q8; quest at 25%"},
		{[]string{"snapkv", "full"}, nil, "1MiB", "snapkv within 1MiB; full"},
		{[]string{"snapkv"}, []string{"50%"}, "1MiB", "snapkv at 50% within 1MiB"},
	} {
		cases, err := Cases(c.specs, c.keeps, c.memory)
		var got []string
		for _, one := range cases {
			got = append(got, one.String())
		}
		if err != nil || strings.Join(got, "; ") != c.want {
			t.Errorf("%q, %q, %q: %q, %v; want %q", c.specs, c.keeps, c.memory, got, err, c.want)
		}
	}
	for _, c := range [][3]string{{"nonsense", "", ""}, {"snapkv", "0%", ""}, {"snapkv", "", "0"}, {"snapkv", "", "much"}} {
		var keeps []string
		if c[1] != "" {
			keeps = []string{c[1]}
		}
		if _, err := Cases([]string{c[0]}, keeps, c[2]); err == nil {
			t.Errorf("%q is accepted", c)
		}
	}
	if _, err := Cases(nil, nil, ""); err == nil {
		t.Error("no recipe is accepted")
	}
}

// TestEveryKindOfRecipeIsMeasured runs recipes that act in decode, choose themselves, count bytes or have a cap.
func TestEveryKindOfRecipeIsMeasured(t *testing.T) {
	e := testEngine(t)
	specs := []string{"quest(page=16)", "auto", "snapkv(window=8)+q4+bytes", "streamingllm(sinks=4)+every(steps=8)", "think(lambda=0.5)", "kivi(bits=4)"}
	for _, memory := range []string{"", "200KiB"} {
		cases, err := Cases(specs, []string{"40%"}, memory)
		if err != nil {
			t.Fatal(err)
		}
		r, rows := testRunner(t, e, specs, nil)
		r.Cases = cases
		refused := map[string]bool{}
		r.Refused = func(c Case, err error) { refused[c.KV] = true }
		tasks, each := []Task{Fidelity{Windows: randomWindows(1, 400, 12)}}, 1
		if memory == "" {
			tasks, each = append(tasks, Needles{Samples: testNeedles(t, e, 1), Modes: []string{Hidden}}), 3
		}
		if err := r.Run(context.Background(), tasks...); err != nil {
			t.Fatal(err)
		}
		if want := (len(cases) - len(refused)) * each; len(*rows) != want {
			t.Errorf("%d rows, want %d", len(*rows), want)
		}
		if quest := memory != ""; refused["quest(page=16)"] != quest || len(refused) > 1 {
			t.Errorf("within %q refused: %v", memory, refused)
		}
		for _, row := range *rows {
			if (row.KV == "auto") != (row.Recipe != "") {
				t.Errorf("%s: recipe %q", row.KV, row.Recipe)
			}
			if row.Memory != "" && row.KVBytes > 200<<10 {
				t.Errorf("%s: %d bytes within 200 KiB", row.KV, row.KVBytes)
			}
		}
	}
}
