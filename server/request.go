package server

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"strconv"

	"pith/engine"
	"pith/policy"
)

// Bounds of a request; each is far above what clients send.
const (
	maxStops     = 16
	maxStopBytes = 1 << 10
	maxBiases    = 1 << 10
	maxTop       = 20
	// cappedTokens is the room to generate where a request caps the cache's bytes but not the reply: room is reserved up front.
	cappedTokens = 512
)

// common are the fields that chat and plain completions share. Unknown fields are ignored, as clients send new ones every month.
type common struct {
	Model         string `json:"model"`
	Stream        bool   `json:"stream"`
	StreamOptions *struct {
		IncludeUsage bool `json:"include_usage"`
	} `json:"stream_options"`
	MaxTokens         *int               `json:"max_tokens"`
	Stop              stops              `json:"stop"`
	N                 *int               `json:"n"`
	Seed              *int64             `json:"seed"`
	Temperature       *float64           `json:"temperature"`
	TopP              *float64           `json:"top_p"`
	TopK              *int               `json:"top_k"`
	MinP              *float64           `json:"min_p"`
	FrequencyPenalty  *float64           `json:"frequency_penalty"`
	PresencePenalty   *float64           `json:"presence_penalty"`
	RepetitionPenalty *float64           `json:"repetition_penalty"`
	LogitBias         map[string]float64 `json:"logit_bias"`

	KV       *string  `json:"kv"`
	Keep     *literal `json:"keep"`
	KVMemory *literal `json:"kv_memory"`
}

// stops is one string or a list of them.
type stops []string

func (s *stops) UnmarshalJSON(b []byte) error {
	*s = nil
	if bytes.Equal(b, []byte("null")) {
		return nil
	}
	var one string
	if json.Unmarshal(b, &one) == nil {
		*s = stops{one}
		return nil
	}
	var list []string
	if json.Unmarshal(b, &list) != nil {
		return badRequest("stop", "Field stop takes a string or a list of strings.")
	}
	*s = list
	return nil
}

// literal is a number or a string, as written: 512, "25%", "64MiB".
type literal string

func (l *literal) UnmarshalJSON(b []byte) error {
	var s string
	if json.Unmarshal(b, &s) != nil {
		var n json.Number
		if json.Unmarshal(b, &n) != nil {
			return badRequest("", "Fields keep and kv_memory take a number or a string.")
		}
		s = n.String()
	}
	*l = literal(s)
	return nil
}

// engineRequest checks the common fields and turns them into the engine's.
func (s *Server) engineRequest(m *Model, c *common) (engine.Request, *problem) {
	var r engine.Request
	if c.N != nil && *c.N != 1 {
		return r, badRequest("n", "Only n=1 is supported, got %d; send the request again for another answer.", *c.N)
	}
	if c.MaxTokens != nil {
		if *c.MaxTokens < 1 {
			return r, badRequest("max_tokens", "max_tokens must be at least 1, got %d.", *c.MaxTokens)
		}
		r.MaxTokens = *c.MaxTokens
	}
	if len(c.Stop) > maxStops {
		return r, badRequest("stop", "At most %d stop strings, got %d.", maxStops, len(c.Stop))
	}
	for _, stop := range c.Stop {
		if stop == "" || len(stop) > maxStopBytes {
			return r, badRequest("stop", "A stop string has between 1 and %d bytes.", maxStopBytes)
		}
	}
	r.Stop = c.Stop
	sampling, p := c.sampling(m.Engine.Config().Vocab)
	if p != nil {
		return r, p
	}
	r.Sampling = sampling
	if r.Recipe, r.Budget, p = s.cacheOf(c); p != nil {
		return r, p
	}
	if m.Certified != nil {
		if err := m.Certified(r.Recipe, r.Budget); err != nil {
			p := badRequest("kv", "%v", err)
			p.Code = "recipe_not_certified"
			return r, p
		}
	}
	if r.Budget.Bytes > 0 && r.MaxTokens == 0 {
		r.MaxTokens = cappedTokens
	}
	return r, nil
}

func (c *common) sampling(vocab int) (engine.Sampling, *problem) {
	or := func(v *float64, otherwise float64) float64 {
		if v == nil {
			return otherwise
		}
		return *v
	}
	sampling := engine.Sampling{
		Temperature: or(c.Temperature, 1), TopP: or(c.TopP, 1), MinP: or(c.MinP, 0),
		FrequencyPenalty: or(c.FrequencyPenalty, 0), PresencePenalty: or(c.PresencePenalty, 0), RepetitionPenalty: or(c.RepetitionPenalty, 0),
		Seed: rand.Uint64(),
	}
	if c.TopK != nil {
		sampling.TopK = max(*c.TopK, 0) // -1 means all elsewhere
	}
	if c.Seed != nil {
		sampling.Seed = uint64(*c.Seed)
	}
	if len(c.LogitBias) > maxBiases {
		return sampling, badRequest("logit_bias", "At most %d biases, got %d.", maxBiases, len(c.LogitBias))
	}
	for token, bias := range c.LogitBias {
		id, err := strconv.ParseInt(token, 10, 32)
		if err != nil || id < 0 || int(id) >= vocab {
			return sampling, badRequest("logit_bias", "logit_bias: %q is no token id; the vocabulary has %d.", token, vocab)
		}
		if bias != bias || bias < -100 || bias > 100 {
			return sampling, badRequest("logit_bias", "logit_bias: %g for token %d is outside -100 to 100.", bias, id)
		}
		if sampling.Bias == nil {
			sampling.Bias = map[int32]float32{}
		}
		sampling.Bias[int32(id)] = float32(bias)
	}
	if err := sampling.Validate(); err != nil {
		return sampling, badRequest("", "%v", err)
	}
	return sampling, nil
}

// cacheOf reads a request's own recipe and bounds. A request that names a recipe takes nothing from the server's; one that names only
// a bound keeps the server's recipe.
func (s *Server) cacheOf(c *common) (*policy.Recipe, policy.Budget, *problem) {
	recipe, budget := s.options.Recipe, s.options.Budget
	if c.KV != nil {
		r, err := policy.Parse(*c.KV)
		if err != nil {
			return nil, budget, badRequest("kv", "%v", err)
		}
		recipe, budget = r, policy.Budget{}
	}
	if c.Keep != nil {
		share, err := policy.ParseShare(string(*c.Keep))
		if err != nil {
			return nil, budget, badRequest("keep", "%v", err)
		}
		if recipe == nil && policy.Lookup("auto") != nil {
			if recipe, err = policy.Parse("auto"); err != nil {
				return nil, budget, badRequest("keep", "%v", err)
			}
		}
		if (recipe == nil || !recipe.HasBudget()) && share != policy.Percent(100) {
			return nil, budget, badRequest("keep", "keep %s needs a recipe that evicts, such as kv: \"snapkv\".", share)
		}
		budget.Keep = share
	}
	if c.KVMemory != nil {
		bytes, err := policy.ParseBytes(string(*c.KVMemory))
		if err != nil || bytes == 0 {
			return nil, budget, badRequest("kv_memory", "kv_memory %q is no number of bytes such as 64MiB.", string(*c.KVMemory))
		}
		budget.Bytes = bytes
	}
	return recipe, budget, nil
}
