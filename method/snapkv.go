package method

import (
	"fmt"

	"pith/policy"
)

// windowParams are the parameters of a window score.
func windowParams(window, kernel string) []policy.Param {
	return []policy.Param{
		{Name: "window", Default: window, Min: 1, Max: 4096, Whole: true, Meaning: "newest rows whose attention is the score; they are kept"},
		kernelParam(kernel),
		{Name: "pool", Default: "avg", Choices: []string{"avg", "max"}, Meaning: "how neighbours are pooled"},
		{Name: "group", Default: "mean", Choices: []string{"mean", "max"}, Meaning: "how the query heads of a KV head are reduced"},
		{Name: "sinks", Default: "0", Min: 0, Max: 1 << 20, Whole: true, Meaning: "first entries that are always kept"},
	}
}

func kernelParam(width string) policy.Param {
	return policy.Param{Name: "kernel", Default: width, Min: 1, Max: 255, Whole: true, Meaning: "odd width of the pooling along positions; 13 and more carry whole facts along"}
}

func kernelOf(a policy.Args) (int, error) {
	if a.Int("kernel")%2 == 0 {
		return 0, fmt.Errorf("kernel=%d is even; a centred pooling needs an odd width", a.Int("kernel"))
	}
	return a.Int("kernel"), nil
}

func newWindowScore(a policy.Args) (*windowScore, error) {
	k, err := kernelOf(a)
	if err != nil {
		return nil, err
	}
	return &windowScore{
		window: a.Int("window"), kernel: k, sinks: a.Int("sinks"),
		maxPool: a.Word("pool") == "max", maxGroup: a.Word("group") == "max",
	}, nil
}

func init() {
	policy.Register(policy.Method{
		Name:   "snapkv",
		Title:  "SnapKV",
		Paper:  "Li et al., SnapKV: LLM Knows What You are Looking for Before Generation, arXiv 2404.14469, section 4.1",
		Good:   "questions at the end of the prompt; cheap, one pass",
		Bad:    "questions that come after compression; facts of many tokens unless the kernel is wide (13, 21)",
		Params: windowParams("64", "5"),
		New: func(a policy.Args) (policy.Parts, error) {
			score, err := newWindowScore(a)
			return policy.Parts{Score: score}, err
		},
	})
}
