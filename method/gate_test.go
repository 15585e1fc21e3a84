package method_test

import (
	"context"
	"errors"
	"math"
	"testing"

	"pith/engine"
	"pith/policy"
)

// A gate's prediction must be worth something on a text that it has not learnt, and the wider one more.
func TestGateLearnsItsTeacher(t *testing.T) {
	e := openTiny(t, "llama-tied-f32", engine.Options{Exact: true, Threads: 1})
	c := &policy.Calibration{Version: policy.CalibrationVersion, Layers: e.Config().Layers, PropagationLayer: -1}
	ids := text(3000)
	if err := e.Learn(context.Background(), c, [][]int32{ids[:750], ids[750:1500], ids[1500:2250], ids[2250:]}, nil); err != nil {
		t.Fatal(err)
	}
	if c.Gate.R2() < 0.3 || c.Gate.R2() < c.KVzap.R2()-0.02 {
		t.Errorf("variance explained: gate %.3f, kvzap %.3f", c.Gate.R2(), c.KVzap.R2())
	}
	for i, kept := range c.Shares.Kept {
		sum := 0.0
		for _, s := range c.Shares.Layers[i] {
			sum += s / float64(len(c.Shares.Layers[i]))
		}
		if math.Abs(sum-kept) > 0.01 {
			t.Errorf("the layers keep %.3f of a model that keeps %.3f", sum, kept)
		}
	}
}

func TestGateIsRefusedWithoutCalibration(t *testing.T) {
	e := openTiny(t, "llama-tied-f32", engine.Options{Calibration: &policy.Calibration{PropagationLayer: -1}, Threads: 1})
	for _, spec := range []string{"gate", "kvzap+q4"} {
		r, err := policy.Parse(spec)
		if err != nil {
			t.Fatal(err)
		}
		var refusal *policy.NotCalibratedError
		if _, err := e.NewSequence(r, policy.Budget{}, 100); !errors.As(err, &refusal) {
			t.Errorf("%s: %v", spec, err)
		}
	}
	r, err := policy.Parse("auto")
	if err != nil {
		t.Fatal(err)
	}
	s, err := e.NewSequence(r, policy.Budget{}, 100)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if got := s.Recipe().String(); got != "union(first=expected,second=reach,weight=1)+adakv+q4+match+bytes" {
		t.Errorf("auto chose %s", got)
	}
}
