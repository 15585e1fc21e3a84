package tokenizer

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// family is what a pre-tokenizer's name (tokenizer.ggml.pre) says about a byte-level BPE model.
type family struct {
	stages []finder
	// ignoreMerges: a word that is a token is this token, whatever its merges would give (Llama 3, tekken: their ranks
	// come from a list of tokens, of which some cannot be reached by merging pairs).
	ignoreMerges bool
	// addBOS where the file does not say.
	addBOS bool
}

var (
	gpt2      = family{stages: []finder{covering(scanGPT2)}}
	digits    = family{stages: []finder{covering(scanDigits)}}
	llama3    = family{stages: []finder{covering(scanLlama3Three)}}
	llama3BOS = family{stages: llama3.stages, ignoreMerges: true, addBOS: true}
	qwen2     = family{stages: []finder{covering(scanLlama3One)}}
	qwen35    = family{stages: []finder{covering(scanQwen35)}}
	tekken    = family{stages: []finder{covering(scanTekken)}, ignoreMerges: true, addBOS: true}
	gpt4o     = family{stages: []finder{covering(scanGPT4o)}}
	falcon    = family{stages: []finder{
		findRun(falconPunct, math.MaxInt),
		covering(scanGPT2),
		findThreeDigits,
	}}
	deepSeekLLM = family{stages: []finder{
		findRun(lineBreak, 1),
		findSpacedRun(ofRanges(deepSeekLetters)),
		findSpacedRun(ofRanges(deepSeekPunct)),
		findTrailing,
		findRun(ofRanges(deepSeekHan), math.MaxInt),
		findRun(ofClass(number), math.MaxInt),
	}}
	deepSeekCoder = family{stages: []finder{
		findRun(lineBreak, 1),
		findSpacedRun(ofClass(letter)),
		findSpacedRun(ofClass(punct)),
		findRun(ofRanges(deepSeekHan), math.MaxInt),
		findRun(ofClass(number), 1),
	}}
	deepSeek3 = family{stages: []finder{
		findRun(ofClass(number), 3),
		findRun(ofRanges(deepSeekKana), math.MaxInt),
		findDeepSeek3,
	}}
)

func lineBreak(r rune, _ uint8) bool { return r == '\r' || r == '\n' }

// families by the name that stands in the file. The names are those that converters write; several models share one
// pre-tokenizer under names of their own.
var families = map[string]family{
	"gpt-2": gpt2, "phi-2": gpt2, "mpt": gpt2, "olmo": gpt2, "jais": gpt2, "trillion": gpt2, "granite-docling": gpt2,
	"exaone4": gpt2, "mellum": gpt2, "gigachat": gpt2, "a.x-4.0": gpt2,

	"smollm": digits, "starcoder": digits, "refact": digits, "command-r": digits, "codeshell": digits, "exaone": digits,
	"minerva-7b": digits,

	"llama-bpe": llama3BOS, "llama3": llama3BOS, "llama-v3": llama3BOS, "falcon3": llama3BOS, "falcon-h1": llama3BOS,
	"pixtral": llama3BOS, "midm-2.0": llama3BOS, "lfm2": llama3BOS,
	// The same cut under tiktoken vocabularies whose merges are complete: Phi-4 and Granite 4 (dbrx), SmolLM3 (smaug-bpe).
	"dbrx": llama3, "smaug-bpe": llama3,

	"qwen2": qwen2, "deepseek-r1-qwen": qwen2, "stablelm2": qwen2, "hunyuan": qwen2, "megrez": qwen2, "grok-2": qwen2,
	"solar-open": qwen2, "qwen35": qwen35,

	"tekken": tekken,
	"gpt-4o": gpt4o, "llama4": gpt4o, "kanana2": gpt4o,
	"falcon":       falcon,
	"deepseek-llm": deepSeekLLM, "deepseek-coder": deepSeekCoder, "deepseek-v3": deepSeek3, "hunyuan-dense": deepSeek3,
}

func lookupFamily(pre string) (family, error) {
	if f, ok := families[pre]; ok {
		return f, nil
	}
	if pre == "" || pre == "default" {
		return family{}, fmt.Errorf("tokenizer: tokenizer.ggml.pre: %q names no pre-tokenizer; the file has to be converted again", pre)
	}
	return family{}, fmt.Errorf("tokenizer: tokenizer.ggml.pre: %q is not known (known: %s)", pre, strings.Join(Families(), ", "))
}

// Families lists the names of tokenizer.ggml.pre that are known, sorted.
func Families() []string {
	names := make([]string, 0, len(families))
	for n := range families {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}
