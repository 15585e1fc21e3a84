package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
)

func newInspect() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "inspect",
		Short: "What the engine sees: JSON in, JSON out",
		Long: `Reads one JSON object on standard input and writes one on standard output. With --jsonl it reads one per line and answers each
with one line, {"error":"..."} where a line fails. Inspect never fetches a model.`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usagef("inspect cannot show %q; it shows tokens, prompt, logits, kept", args[0])
			}
			return nil
		},
		RunE: func(*cobra.Command, []string) error {
			return usagef("say what to inspect: tokens, prompt, logits or kept")
		},
	}
	cmd.AddCommand(newInspectTokens(), newInspectPrompt(), newInspectLogits(), newInspectKept())
	return cmd
}

// An answer writes the JSON object that answers a question, without a line end. It is returned once nothing can go wrong any more
// but the writing.
type answer func(w *bufio.Writer) error

// answerJSON answers with v.
func answerJSON(v any) answer {
	return func(w *bufio.Writer) error {
		b, err := marshal(v)
		if err != nil {
			return err
		}
		_, err = w.Write(b)
		return err
	}
}

// marshal encodes v on one line, with <, > and & as they are.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// interview answers what stands on standard input. Answers leave in the order of the questions, each as soon as it is known.
func interview(cmd *cobra.Command, jsonl bool, reply func(question []byte) (answer, error)) error {
	in, out := bufio.NewReaderSize(cmd.InOrStdin(), 1<<16), bufio.NewWriterSize(cmd.OutOrStdout(), 1<<16)
	if !jsonl {
		question, err := io.ReadAll(in)
		if err != nil {
			return err
		}
		a, err := reply(question)
		if err != nil {
			return err
		}
		return finish(out, a)
	}
	for {
		line, err := in.ReadBytes('\n')
		if err != nil && err != io.EOF {
			return err
		}
		last := err == io.EOF
		if line = bytes.TrimSpace(line); len(line) > 0 {
			a, err := reply(line)
			if stop := cmd.Context().Err(); stop != nil {
				return stop
			}
			if err != nil {
				a = answerJSON(map[string]string{"error": err.Error()})
			}
			if err := finish(out, a); err != nil {
				return err
			}
		}
		if last {
			return nil
		}
	}
}

func finish(out *bufio.Writer, a answer) error {
	if err := a(out); err != nil {
		return err
	}
	out.WriteByte('\n')
	return out.Flush()
}

// decodeQuestion reads exactly one JSON object with known keys.
func decodeQuestion(question []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(question))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		if errors.Is(err, io.EOF) {
			return errors.New("input: no JSON object")
		}
		return fmt.Errorf("input: %w", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("input: more than one JSON object; --jsonl takes one per line")
	}
	return nil
}

// checkTokens refuses an empty list and ids outside the vocabulary.
func checkTokens(ids []int32, vocab int) error {
	if len(ids) == 0 {
		return errors.New("input: tokens: the list is empty")
	}
	for i, id := range ids {
		if id < 0 || int(id) >= vocab {
			return fmt.Errorf("input: tokens: number %d is %d, the vocabulary has %d", i, id, vocab)
		}
	}
	return nil
}

// readText reads a whole text file, "-" being standard input.
func readText(cmd *cobra.Command, path string) (string, error) {
	if path == "-" {
		b, err := io.ReadAll(cmd.InOrStdin())
		return string(b), err
	}
	b, err := os.ReadFile(path)
	return string(b), err
}
