package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"pith/eval"
	"pith/policy"
	"pith/tokenizer"
)

// Windows of the calibration text.
const (
	calibrationWindows = 4
	calibrationTokens  = 1024
)

// newCalibrate is `pith calibrate MODEL`.
func newCalibrate() *cobra.Command {
	var c computing
	var files []string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "calibrate MODEL",
		Short: "Measure what recipes need to know of a model: the layer after which FastKV lets rows go",
		Long: `Prefills windows of text with token-selective propagation after each layer of the model's middle half, compares the next token's
distribution with that of the full prefill, and stores the result beside the model's file as FILE.calibration.json. Recipes that leave
the layer open (fastkv, tsp) use it from then on; without one they take the middle layer.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := c.check(); err != nil {
				return err
			}
			book, err := calibrationText(files)
			if err != nil {
				return err
			}
			e, err := openEngine(cmd.Context(), args[0], &c, mustBeHere)
			if err != nil {
				return err
			}
			defer e.Close()
			ids, err := e.Tokenizer().Encode(book, tokenizer.Options{})
			if err != nil {
				return err
			}
			windows, err := spread(ids, calibrationWindows, min(calibrationTokens, e.Config().Context-1))
			if err != nil {
				return err
			}
			bar := newProgressBar("calibrating")
			p, err := eval.Calibrate(cmd.Context(), e, modelTitle(e.File()), windows, bar.prefill)
			bar.clear()
			if err != nil {
				return err
			}
			if err := p.Write(e.File().Path()); err != nil {
				return err
			}
			return printCalibration(cmd, p, e.File().Path(), asJSON)
		},
	}
	c.register(cmd)
	cmd.Flags().StringArrayVar(&files, "text", nil, "text to calibrate on; may be repeated (default: a book in the public domain that is built in)")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the result as JSON")
	cmd.ValidArgsFunction = completeModels
	return cmd
}

func calibrationText(files []string) (string, error) {
	if len(files) == 0 {
		return eval.CalibrationText(), nil
	}
	var b strings.Builder
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			return "", err
		}
		b.Write(data)
	}
	return b.String(), nil
}

// spread takes n windows of so many tokens at even distances; fewer where the text is short.
func spread(ids []int32, n, tokens int) ([][]int32, error) {
	n = min(n, len(ids)/tokens)
	if n == 0 {
		return nil, fmt.Errorf("the text has %d tokens; calibration needs %d", len(ids), tokens)
	}
	windows := make([][]int32, n)
	for i := range windows {
		from := i * (len(ids) - tokens) / max(n-1, 1)
		windows[i] = ids[from : from+tokens]
	}
	return windows, nil
}

func printCalibration(cmd *cobra.Command, p *policy.Calibration, path string, asJSON bool) error {
	out := cmd.OutOrStdout()
	if asJSON {
		return json.NewEncoder(out).Encode(p)
	}
	fmt.Fprintln(out, "layer  KL of the next token")
	for l, loss := range p.PropagationLoss {
		if loss >= 0 {
			mark := ""
			if l == p.PropagationLayer {
				mark = "  chosen"
			}
			fmt.Fprintf(out, "%5d  %.4f%s\n", l, loss, mark)
		}
	}
	_, err := fmt.Fprintf(out, "stored in %s\n", policy.CalibrationPath(path))
	return err
}
