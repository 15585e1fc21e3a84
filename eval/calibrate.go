package eval

import (
	"context"
	"fmt"
	"math"

	"pith/engine"
	"pith/eval/text"
	"pith/policy"
)

// CalibrationText is the text on which models are calibrated where none is given.
func CalibrationText() string { return text.Mixture() }

// Book returns the book that is built in: a text to judge on where none is given.
func Book() string { return text.Opticks() }

// CalibrationTolerance is how much worse than the best layer a shallower one may be and still be chosen: every layer less saves time.
const CalibrationTolerance = 1.25

// calibrationShare is what a recipe keeps while it is calibrated: low enough for the published rate of 0.2 to hold.
const calibrationShare = 20

// Calibrate finds the layer after which token-selective propagation does the least harm for its depth (FastKV, arXiv 2502.01068, section
// 4.3): over windows of text, the distribution of the next token after a prefill that lost rows at a layer is compared with that of the
// full prefill. Candidates lie in the middle half of the model; of those within CalibrationTolerance of the best the shallowest is
// chosen and stored in p. progress is told the steps done and their number.
func Calibrate(ctx context.Context, e *engine.Engine, p *policy.Calibration, windows [][]int32, progress func(done, total int)) error {
	layers := e.Config().Layers
	from, to := layers/4, layers*3/4
	if to >= layers-1 || from >= to {
		return fmt.Errorf("eval: calibrate: a model of %d layers is too shallow to lose rows on the way", layers)
	}
	p.PropagationLayer, p.PropagationLoss = -1, make([]float64, layers)
	for l := range p.PropagationLoss {
		p.PropagationLoss[l] = -1
	}
	done, total := 0, len(windows)*(to-from+1)
	step := func() {
		if done++; progress != nil {
			progress(done, total)
		}
	}
	for _, w := range windows {
		full, err := lastLogits(ctx, e, policy.Full(), w)
		if err != nil {
			return err
		}
		step()
		for l := from; l < to; l++ {
			r, err := policy.Parse(fmt.Sprintf("fastkv(layer=%d)", l))
			if err != nil {
				return err
			}
			got, err := lastLogits(ctx, e, r, w)
			if err != nil {
				return err
			}
			p.PropagationLoss[l] = math.Max(p.PropagationLoss[l], 0) + Divergence(full, got, engine.LogSumExp(full), engine.LogSumExp(got))/float64(len(windows))
			step()
		}
	}
	best := math.Inf(1)
	for l := from; l < to; l++ {
		best = math.Min(best, p.PropagationLoss[l])
	}
	for l := to - 1; l >= from; l-- {
		if p.PropagationLoss[l] <= best*CalibrationTolerance {
			p.PropagationLayer = l
		}
	}
	return nil
}

// lastLogits prefills a window and returns the logits after its last token.
func lastLogits(ctx context.Context, e *engine.Engine, r *policy.Recipe, w []int32) ([]float32, error) {
	s, err := e.NewSequence(r, policy.Budget{Keep: policy.Percent(calibrationShare)}, len(w)+1)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	p, err := e.NewPrefill(w, engine.PrefillOptions{Compress: true}, s)
	if err != nil {
		return nil, err
	}
	if err := p.Run(ctx); err != nil {
		return nil, err
	}
	return append([]float32(nil), s.Logits()...), nil
}
