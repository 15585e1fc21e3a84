package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"pith/engine"
	"pith/eval"
	"pith/policy"
	"pith/tokenizer"
)

// Windows of the calibration text.
const (
	calibrationWindows = 4
	calibrationTokens  = 1024
	learnWindows       = 13
	learnTokens        = 2048
)

// newCalibrate is `pith calibrate MODEL`.
func newCalibrate() *cobra.Command {
	var c computing
	var files []string
	var asJSON bool
	var only string
	cmd := &cobra.Command{
		Use:   "calibrate MODEL",
		Short: "Measure what recipes need to know of a model: FastKV's layer, learnt gates, shares of layers",
		Long: `Stores what it finds out beside the model's file as FILE.calibration.json, from where every recipe takes it:

  propagation  the layer after which token-selective propagation does the least harm for its depth: windows of text are prefilled with
               propagation after each layer of the model's middle half, and the next token's distribution is compared with that of
               the full prefill. fastkv and tsp use it; without it they take the middle layer.
  gate         what a second pass (kvzip) would keep, learnt by ridge regression from what one pass shows, and how much of it lies in
               each layer. kvzap, gate and auto use it; for the models of the built-in catalogue it is part of the program.`,
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
			p, err := calibrate(cmd, e, book, only)
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
	cmd.Flags().StringArrayVar(&files, "text", nil, "text to calibrate on; may be repeated (default: a mixture that is built in)")
	cmd.Flags().StringVar(&only, "only", "", "measure only this: propagation or gate; what is there of the other stays")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the result as JSON")
	cmd.ValidArgsFunction = completeModels
	return cmd
}

// calibrate measures what is asked for and adds it to what is known already.
func calibrate(cmd *cobra.Command, e *engine.Engine, book, only string) (*policy.Calibration, error) {
	if only != "" && only != "propagation" && only != "gate" {
		return nil, usagef("--only %q: neither propagation nor gate", only)
	}
	ids, err := e.Tokenizer().Encode(book, tokenizer.Options{})
	if err != nil {
		return nil, err
	}
	layers, name := e.Config().Layers, modelTitle(e.File())
	p, err := policy.ReadCalibration(e.File().Path(), layers)
	if err != nil && only != "" {
		return nil, err
	}
	if p == nil || only == "" {
		p = &policy.Calibration{Version: policy.CalibrationVersion, Model: name, Layers: layers, PropagationLayer: -1}
	}
	bar := newProgressBar("calibrating")
	defer bar.clear()
	if only != "gate" {
		windows, err := spread(ids, calibrationWindows, min(calibrationTokens, e.Config().Context-1))
		if err != nil {
			return nil, err
		}
		if err := eval.Calibrate(cmd.Context(), e, p, windows, bar.prefill); err != nil {
			return nil, err
		}
	}
	if only != "propagation" {
		windows, err := spread(ids, learnWindows, min(learnTokens, e.Config().Context-256, len(ids)/2))
		if err != nil {
			return nil, err
		}
		if err := e.Learn(cmd.Context(), p, windows, bar.prefill); err != nil {
			return nil, err
		}
	}
	return p, nil
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
	if p.PropagationLayer >= 0 {
		fmt.Fprintln(out, "layer  KL of the next token")
	}
	for l, loss := range p.PropagationLoss {
		if loss >= 0 {
			mark := ""
			if l == p.PropagationLayer {
				mark = "  chosen"
			}
			fmt.Fprintf(out, "%5d  %.4f%s\n", l, loss, mark)
		}
	}
	if p.Gate != nil {
		fmt.Fprintf(out, "variance explained on a text that was not learnt: kvzap %.2f, gate %.2f\n", p.KVzap.R2(), p.Gate.R2())
	}
	_, err := fmt.Fprintf(out, "stored in %s\n", policy.CalibrationPath(path))
	return err
}
