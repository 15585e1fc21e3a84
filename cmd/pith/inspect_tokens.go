package main

import (
	"encoding/base64"
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"pith/tokenizer"
)

func newInspectTokens() *cobra.Command {
	var jsonl, decode bool
	cmd := &cobra.Command{
		Use:   "tokens MODEL",
		Short: "Text to token ids, and back with --decode",
		Long: `{"text":"..."} or {"bytes":"base64"} -> {"tokens":[...]}. "special":true parses the text of special tokens, "bos":true adds what the model
adds at both ends. With --decode {"tokens":[...]} -> {"text":"..."}, with "bytes" beside it where the pieces are not UTF-8.
A file with a vocabulary and no weights is enough.`,
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
			reply := func(q []byte) (answer, error) { return encodeTokens(tok, q) }
			if decode {
				reply = func(q []byte) (answer, error) { return decodeTokens(tok, q) }
			}
			return interview(cmd, jsonl, reply)
		},
	}
	cmd.Flags().BoolVar(&jsonl, "jsonl", false, "one object per line")
	cmd.Flags().BoolVar(&decode, "decode", false, "token ids to text")
	return cmd
}

func encodeTokens(tok *tokenizer.Tokenizer, question []byte) (answer, error) {
	var q struct {
		Text    *string `json:"text"`
		Bytes   *string `json:"bytes"`
		Special bool    `json:"special"`
		BOS     bool    `json:"bos"`
	}
	if err := decodeQuestion(question, &q); err != nil {
		return nil, err
	}
	if (q.Text == nil) == (q.Bytes == nil) {
		return nil, errors.New(`input: one of "text" and "bytes" is needed`)
	}
	var text string
	if q.Text != nil {
		text = *q.Text
	} else {
		raw, err := base64.StdEncoding.DecodeString(*q.Bytes)
		if err != nil {
			return nil, fmt.Errorf("input: bytes: %w", err)
		}
		text = string(raw)
	}
	ids, err := tok.Encode(text, tokenizer.Options{Special: q.Special, Ends: q.BOS})
	if err != nil {
		return nil, err
	}
	if ids == nil {
		ids = []int32{}
	}
	return answerJSON(map[string][]int32{"tokens": ids}), nil
}

func decodeTokens(tok *tokenizer.Tokenizer, question []byte) (answer, error) {
	var q struct {
		Tokens []int32 `json:"tokens"`
	}
	if err := decodeQuestion(question, &q); err != nil {
		return nil, err
	}
	if len(q.Tokens) > 0 {
		if err := checkTokens(q.Tokens, tok.Size()); err != nil {
			return nil, err
		}
	}
	raw := tok.Decode(q.Tokens)
	var a struct {
		Text  string `json:"text"`
		Bytes []byte `json:"bytes,omitempty"`
	}
	a.Text = string(raw)
	if !utf8.Valid(raw) {
		a.Bytes = raw
	}
	return answerJSON(a), nil
}
