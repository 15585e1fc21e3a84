package main

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"pith/chat"
	"pith/engine"
)

// runOptions are the flags of `pith run`.
type runOptions struct {
	computing
	caching
	files    []string
	system   string
	tokens   int
	sampling engine.Sampling
	stats    bool
	json     bool
}

func newRun() *cobra.Command {
	var o runOptions
	cmd := &cobra.Command{
		Use:   "run MODEL [PROMPT]",
		Short: "Answer once, or chat when no prompt is given",
		Long: `Answers PROMPT and ends; without one it chats, one line a turn (/bye ends, /clear starts anew, /stats shows figures). Documents
given by --file, or piped in when there is a PROMPT, are put before the first question. A recipe that does not look at the question
compresses them before it has been seen; in a chat they are read once.`,
		Args: wants("MODEL", "[PROMPT]"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return o.run(cmd, args[0], args[1:])
		},
		ValidArgsFunction: completeModels,
	}
	f := cmd.Flags()
	f.StringArrayVarP(&o.files, "file", "f", nil, "document put before the prompt; may be repeated, - is standard input")
	f.StringVar(&o.system, "system", "", "system message")
	f.IntVarP(&o.tokens, "tokens", "n", 0, "most tokens to generate (default: what the context holds; 512 with --kv-memory)")
	f.Float64Var(&o.sampling.Temperature, "temp", 0, "temperature; 0 takes the most likely token")
	f.IntVar(&o.sampling.TopK, "top-k", 0, "sample among so many most likely tokens; 0: all")
	f.Float64Var(&o.sampling.TopP, "top-p", 1, "sample among the most likely tokens of this total probability")
	f.Float64Var(&o.sampling.MinP, "min-p", 0, "leave out tokens below this share of the most likely one's probability")
	f.Float64Var(&o.sampling.RepetitionPenalty, "repeat-penalty", 1, "divide the logits of tokens seen lately")
	f.Uint64Var(&o.sampling.Seed, "seed", 0, "seed of the sampler")
	f.BoolVar(&o.stats, "stats", false, "print times, cache bytes and peak memory to standard error")
	f.BoolVar(&o.json, "json", false, "print one JSON object per answer instead of text")
	o.computing.register(cmd)
	o.caching.register(cmd)
	return cmd
}

func (o *runOptions) run(cmd *cobra.Command, model string, prompt []string) error {
	if err := errors.Join(o.parse(), o.check()); err != nil {
		return err
	}
	if o.tokens < 0 {
		return usagef("-n %d: want 0 or more", o.tokens)
	}
	if err := o.sampling.Validate(); err != nil {
		return &usageError{err}
	}
	if o.budget.Bytes > 0 && o.tokens == 0 {
		o.tokens = 512
	}
	document, err := o.documents(cmd, len(prompt) > 0)
	if err != nil {
		return err
	}
	meter := startResidentMeter()
	defer meter.Close()
	e, err := openEngine(cmd.Context(), model, &o.computing, pullIfMissing)
	if err != nil {
		return err
	}
	defer e.Close()
	template, err := chat.ForModel(e.File(), e.Tokenizer())
	if err != nil {
		return err
	}
	t := &talk{
		o: o, e: e, meter: meter, out: cmd.OutOrStdout(), log: cmd.ErrOrStderr(), model: model,
		conversation: conversation{template: template, engine: e, system: o.system, document: document},
	}
	defer t.clear()
	if len(prompt) > 0 {
		return t.turn(cmd.Context(), prompt[0], false)
	}
	return t.chat(cmd.Context(), cmd.InOrStdin())
}

// documents reads what goes before the first question. Standard input counts where a prompt is given, nothing else is read, and
// something is piped in or redirected.
func (o *runOptions) documents(cmd *cobra.Command, prompted bool) (string, error) {
	files := o.files
	if len(files) == 0 && prompted && isPiped(cmd.InOrStdin()) {
		files = []string{"-"}
	}
	var parts []string
	for _, name := range files {
		if name == "-" && !prompted {
			return "", usagef("--file -: without a prompt, questions come from standard input")
		}
		text, err := readText(cmd, name)
		if err != nil {
			return "", err
		}
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		if len(files) > 1 {
			text = filepath.Base(name) + ":\n\n" + text
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, "\n\n"), nil
}

// isPiped reports whether r is a pipe or a file that somebody put in place of the terminal.
func isPiped(r io.Reader) bool {
	f, ok := r.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && (info.Mode()&os.ModeNamedPipe != 0 || info.Mode().IsRegular())
}
