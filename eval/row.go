package eval

// TaskSummary names rows that condense others.
const TaskSummary = "summary"

// A Row is one measurement of one case on one sample: a line of JSON. Which figures it carries depends on the task; those that a task
// does not measure are left out. Logarithms are natural.
type Row struct {
	Key

	// Distance to the full cache of the same engine in the same arithmetic (fidelity).
	Positions int      `json:"positions,omitempty"` // that were compared
	KLMean    *float64 `json:"kl_mean,omitempty"`   // Σ p_full (log p_full - log p)
	KLMedian  *float64 `json:"kl_median,omitempty"`
	KLP99     *float64 `json:"kl_p99,omitempty"`
	KLMax     *float64 `json:"kl_max,omitempty"`
	Top1      *float64 `json:"top1,omitempty"` // share of positions with the same most likely token
	FullNLL   *float64 `json:"full_nll,omitempty"`
	NLLError  *float64 `json:"nll_error,omitempty"` // the full cache's mean absolute difference from the log-likelihoods that came with the window
	DNLL      *float64 `json:"dnll,omitempty"`      // nll - full_nll

	// Right and wrong.
	NLL        *float64 `json:"nll,omitempty"`   // mean -log p of the true tokens
	OK         *bool    `json:"ok,omitempty"`    // needle: every token of the answer is the most likely one
	Frac       *float64 `json:"frac,omitempty"`  // needle: share of them that is
	Score      *float64 `json:"score,omitempty"` // of a generated answer, by the task's own metric, 0 to 1
	Prediction string   `json:"prediction,omitempty"`
	Answers    []string `json:"answers,omitempty"`

	// Costs.
	Recipe          string    `json:"recipe,omitempty"`        // that auto or its like chose
	Tokens          int       `json:"tokens,omitempty"`        // of the context that was compressed
	KVBytes         int64     `json:"kv_bytes"`                // held by the pool after the prefill
	FullBytes       int64     `json:"full_bytes"`              // of the full cache in the engine's default storage
	FirstToken      float64   `json:"first_token_seconds"`     // of the prefill; an upper bound where Shared > 1
	Shared          int       `json:"shared"`                  // sequences that this prefill fed
	TokensPerSecond float64   `json:"tokens_per_second"`       // of a few decode steps on this cache alone
	Peak            *Resident `json:"peak_resident,omitempty"` // of the process, all sequences of the pass together
	Kept            [][]int   `json:"kept,omitempty"`          // [layer][head] entries, of a task's first sample
	Time            string    `json:"time,omitempty"`          // when it was measured, UTC
}

// A Key is what makes a row what it is: two rows with the same key are the same measurement.
type Key struct {
	Task     string   `json:"task"`
	Set      string   `json:"set,omitempty"` // of a benchmark with several: "niah_single_1", "qasper"
	KV       string   `json:"kv"`            // recipe and budget as they were given
	Keep     string   `json:"keep"`
	Memory   string   `json:"kv_memory,omitempty"`
	Window   *int     `json:"window,omitempty"`
	Sample   *int     `json:"sample,omitempty"`
	Question *int     `json:"question,omitempty"`
	Mode     string   `json:"mode,omitempty"`   // what compression saw: Hidden, Visible or VisibleAll
	Length   int      `json:"length,omitempty"` // of a generated sample in tokens, room for the answer included
	Depth    *float64 `json:"depth,omitempty"`  // share of the context before the needle
	Digits   int      `json:"digits,omitempty"` // of the needle's value
	Input    string   `json:"input"`            // digest of the tokens, or the seed of a generated sample
	Origin
}

// Origin is where rows come from.
type Origin struct {
	Model      string `json:"model"`
	Digest     string `json:"digest"`     // SHA-256 of the model's file
	Arithmetic string `json:"arithmetic"` // "exact" or "default"
	Machine    string `json:"machine"`
	Threads    int    `json:"threads"`
}

// of completes a key.
func (k Key) of(o Origin) Key {
	k.Origin = o
	return k
}

// identity is the key without what may differ between machines that measure the same thing, as one string.
func (k Key) identity() string {
	k.Machine, k.Threads, k.Model = "", 0, ""
	return encode(k)
}
