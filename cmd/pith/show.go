package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"pith/chat"
	"pith/gguf"
	"pith/kvcache"
	"pith/model"
	"pith/tokenizer"
)

// modelInfo is the JSON of `pith show`.
type modelInfo struct {
	Path         string           `json:"path"`
	Name         string           `json:"name"`
	Architecture string           `json:"architecture"`
	Unsupported  string           `json:"unsupported,omitempty"` // why the model cannot run; sizes are then missing
	Version      uint32           `json:"gguf_version"`
	FileBytes    int64            `json:"file_bytes"`
	Parameters   int64            `json:"parameters"`
	Types        map[string]int64 `json:"types"` // bytes of tensors by format
	Sizes        *sizeInfo        `json:"sizes,omitempty"`
	Tokenizer    *tokenizerInfo   `json:"tokenizer,omitempty"`
	Template     string           `json:"template"` // where it comes from
}

type sizeInfo struct {
	Layers       int     `json:"layers"`
	Dim          int     `json:"dim"`
	QHeads       int     `json:"query_heads"`
	KVHeads      int     `json:"kv_heads"`
	HeadDim      int     `json:"head_dim"`
	FFN          int     `json:"ffn"`
	Experts      int     `json:"experts,omitempty"`
	ExpertsUsed  int     `json:"experts_used,omitempty"`
	Vocab        int     `json:"vocab"`
	Context      int     `json:"context"`
	Tied         bool    `json:"tied_output"`
	WindowLayers []int   `json:"window_layers"`
	Window       int     `json:"window,omitempty"`
	KVPerToken   float64 `json:"kv_bytes_per_token"` // full cache, f16, past every window
	KVContext    int64   `json:"kv_bytes_full_context"`
}

type tokenizerInfo struct {
	Model   string `json:"model"`
	Pre     string `json:"pre,omitempty"`
	Size    int    `json:"size"`
	AddsBOS bool   `json:"adds_bos"`
	BOS     string `json:"bos,omitempty"`
	EOS     string `json:"eos,omitempty"`
}

func newShow() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "show MODEL",
		Short: "Architecture, sizes, tokenizer, template, KV bytes per token",
		Args:  wants("MODEL"),
		RunE: func(cmd *cobra.Command, args []string) error {
			f, err := openFile(cmd.Context(), args[0], mustBeHere)
			if err != nil {
				return err
			}
			defer f.Close()
			var info modelInfo
			// The tokenizer reads the mapped file, which may shrink meanwhile.
			err = gguf.Guard(func() error {
				info = describeModel(f)
				return nil
			})
			if err != nil {
				return err
			}
			if asJSON {
				return writeJSON(cmd.OutOrStdout(), info)
			}
			return info.print(cmd.OutOrStdout())
		},
		ValidArgsFunction: completeModels,
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "machine-readable output")
	return cmd
}

func describeModel(f *gguf.File) modelInfo {
	info := modelInfo{Path: f.Path(), Version: f.Version(), FileBytes: f.Size(), Parameters: countParams(f), Types: map[string]int64{}}
	info.Name, _ = f.String("general.name")
	info.Architecture, _ = f.String("general.architecture")
	for _, t := range f.Tensors() {
		info.Types[t.Type.String()] += int64(t.Bytes())
	}
	if c, err := model.ReadConfig(f); err != nil {
		info.Unsupported = err.Error()
	} else {
		info.Sizes = sizesOf(c)
	}
	tok, err := tokenizer.New(f)
	if err != nil {
		if info.Unsupported == "" {
			info.Unsupported = err.Error()
		}
		return info
	}
	info.Tokenizer = describeTokenizer(f, tok)
	if t, err := chat.ForModel(f, tok); err != nil {
		info.Template = "none: " + err.Error()
	} else {
		info.Template = t.Origin
	}
	return info
}

func sizesOf(c *model.Config) *sizeInfo {
	s := &sizeInfo{Layers: c.Layers, Dim: c.Dim, QHeads: c.QHeads, KVHeads: c.KVHeads, HeadDim: c.HeadDim, FFN: c.FFN, Experts: c.Experts,
		ExpertsUsed: c.ExpertsUsed, Vocab: c.Vocab, Context: c.Context, Tied: c.Tied, WindowLayers: append([]int{}, c.WindowLayers()...)}
	if c.Experts > 0 {
		s.FFN = c.ExpertFFN
	}
	storage := kvcache.Uniform(kvcache.F16)
	page := kvcache.PageBytes(c.HeadDim, storage)
	for _, w := range c.Window {
		n := c.Context
		if w > 0 {
			s.Window = max(s.Window, w)
			n = min(n, w)
		}
		s.KVContext += int64(c.KVHeads) * kvcache.BytesFor(n, c.HeadDim, storage, page)
	}
	const many = 1 << 16 // tokens over which the last page does not count
	s.KVPerToken = float64(len(c.GlobalLayers())*c.KVHeads) * float64(kvcache.BytesFor(many, c.HeadDim, storage, page)) / many
	return s
}

func describeTokenizer(f *gguf.File, tok *tokenizer.Tokenizer) *tokenizerInfo {
	t := &tokenizerInfo{Size: tok.Size(), AddsBOS: tok.AddBOS()}
	t.Model, _ = f.String("tokenizer.ggml.model")
	t.Pre, _ = f.String("tokenizer.ggml.pre")
	if id, ok := tok.BOS(); ok {
		t.BOS = tok.Text(id)
	}
	if id, ok := tok.EOS(); ok {
		t.EOS = tok.Text(id)
	}
	return t
}

// countParams is the number of weights in a file.
func countParams(f *gguf.File) int64 {
	var n int64
	for _, t := range f.Tensors() {
		n += int64(t.Elems())
	}
	return n
}

func (m *modelInfo) print(w io.Writer) error {
	t := table{header: []string{"model", m.Name}}
	t.add("path", m.Path)
	t.add("architecture", m.Architecture)
	if m.Unsupported != "" {
		t.add("cannot run", m.Unsupported)
	}
	t.add("parameters", countText(m.Parameters))
	t.add("file", fmt.Sprintf("%s, GGUF version %d", bytesText(m.FileBytes), m.Version))
	var types []string
	for _, name := range slices.SortedFunc(maps.Keys(m.Types), func(a, b string) int { return int(m.Types[b] - m.Types[a]) }) {
		types = append(types, fmt.Sprintf("%s %s", name, bytesText(m.Types[name])))
	}
	t.add("weights", strings.Join(types, ", "))
	if s := m.Sizes; s != nil {
		t.add("layers", fmt.Sprint(s.Layers))
		t.add("width", fmt.Sprintf("%d, feed-forward %d", s.Dim, s.FFN))
		if s.Experts > 0 {
			t.add("experts", fmt.Sprintf("%d, %d used", s.Experts, s.ExpertsUsed))
		}
		t.add("heads", fmt.Sprintf("%d query, %d key/value, of %d", s.QHeads, s.KVHeads, s.HeadDim))
		t.add("vocabulary", thousands(s.Vocab))
		t.add("context", thousands(s.Context)+" tokens")
		if len(s.WindowLayers) > 0 {
			t.add("window", fmt.Sprintf("%d tokens in %d layers", s.Window, len(s.WindowLayers)))
		}
		t.add("full cache", fmt.Sprintf("%s a token (f16), %s for the whole context", bytesText(int64(s.KVPerToken)), bytesText(s.KVContext)))
	}
	if k := m.Tokenizer; k != nil {
		name := k.Model
		if k.Pre != "" {
			name += ", " + k.Pre
		}
		t.add("tokenizer", name)
	}
	t.add("template", m.Template)
	return t.plain(w)
}
