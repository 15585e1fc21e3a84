package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"pith/chat"
	"pith/tokenizer"
)

func newInspectPrompt() *cobra.Command {
	var jsonl bool
	var file string
	cmd := &cobra.Command{
		Use:   "prompt MODEL",
		Short: "Messages to the prompt that the model reads",
		Long: `{"messages":[...],"tools":[...],"add_generation_prompt":true} -> {"text":"...","tokens":[...]}. "now", "bos_token" and "eos_token" stand in for the clock's
and the model's; further keys are variables of the template.`,
		Args: wants("MODEL"),
		RunE: func(cmd *cobra.Command, args []string) error {
			f, err := openFile(cmd.Context(), args[0], mustBeHere)
			if err != nil {
				return err
			}
			defer f.Close()
			tok, err := tokenizer.New(f)
			if err != nil {
				return err
			}
			var t *chat.Template
			if file != "" {
				source, err := readText(cmd, file)
				if err != nil {
					return err
				}
				if t, err = chat.NewTemplate(source, tokenText(tok.BOS, tok), tokenText(tok.EOS, tok)); err != nil {
					return err
				}
			} else if t, err = chat.ForModel(f, tok); err != nil {
				return err
			}
			return interview(cmd, jsonl, func(q []byte) (answer, error) { return renderPrompt(t, tok, q) })
		},
	}
	cmd.Flags().BoolVar(&jsonl, "jsonl", false, "one object per line")
	cmd.Flags().StringVar(&file, "template", "", "Jinja template to use instead of the model's")
	return cmd
}

// tokenText is the text of a special token, empty where the model has none.
func tokenText(special func() (int32, bool), tok *tokenizer.Tokenizer) string {
	if id, ok := special(); ok {
		return tok.Text(id)
	}
	return ""
}

func renderPrompt(t *chat.Template, tok *tokenizer.Tokenizer, question []byte) (answer, error) {
	var vars map[string]json.RawMessage
	if err := json.Unmarshal(question, &vars); err != nil {
		return nil, fmt.Errorf("input: %w", err)
	}
	r := chat.Request{Vars: vars}
	var now *string
	for _, known := range []struct {
		key  string
		into any
	}{
		{"messages", &r.Messages}, {"tools", &r.Tools}, {"add_generation_prompt", &r.AddGenerationPrompt},
		{"now", &now}, {"bos_token", &r.BOS}, {"eos_token", &r.EOS},
	} {
		raw, given := vars[known.key]
		if !given {
			continue
		}
		delete(vars, known.key)
		if err := json.Unmarshal(raw, known.into); err != nil {
			return nil, fmt.Errorf("input: %s: %w", known.key, err)
		}
	}
	if r.Messages == nil {
		return nil, errors.New(`input: "messages" is missing`)
	}
	if now != nil {
		var err error
		if r.Now, err = parseTime(*now); err != nil {
			return nil, err
		}
	}
	text, err := t.Render(r)
	if err != nil {
		return nil, err
	}
	ids, err := t.Tokens(tok, text)
	if err != nil {
		return nil, err
	}
	if ids == nil {
		ids = []int32{}
	}
	return answerJSON(struct {
		Text   string  `json:"text"`
		Tokens []int32 `json:"tokens"`
	}{text, ids}), nil
}

// parseTime reads an ISO 8601 time, with or without a zone, a fraction or a time of day.
func parseTime(s string) (time.Time, error) {
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02"} {
		if t, err := time.Parse(layout, strings.Replace(s, " ", "T", 1)); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("input: now: %q is no ISO time", s)
}
