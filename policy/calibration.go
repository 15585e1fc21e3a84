package policy

import (
	"compress/gzip"
	"embed"
	"encoding/json"
	"fmt"
	"os"
	"strings"
)

// CalibrationVersion is the form of a calibration; another one is refused.
const CalibrationVersion = 2

// A Calibration is what calibration has measured of one model. It lies beside the model's file, as FILE.calibration.json.
type Calibration struct {
	Version int    `json:"version"`
	Model   string `json:"model"` // general.name of the file it was measured on
	Layers  int    `json:"layers"`

	// PropagationLayer is the layer after which token-selective propagation does the least harm for its depth; -1: not measured.
	PropagationLayer int `json:"propagation_layer"`
	// PropagationLoss is the mean KL of the next token against the full prefill, by layer; -1 where it was not measured.
	PropagationLoss []float64 `json:"propagation_loss"`

	KVzap  *Gate        `json:"kvzap,omitempty"`  // learnt from the hidden state alone
	Gate   *Gate        `json:"gate,omitempty"`   // learnt from everything that one pass shows
	Shares *LayerShares `json:"shares,omitempty"` // of the layers in what a second pass keeps
}

// A Learner is a part that works only with what calibration has learnt of the model.
type Learner interface {
	// Ready says what is missing; c is nil where nothing is known.
	Ready(c *Calibration) error
}

// Ready says what calibration would have to find out before the recipe can work on a model of which c is known.
func (r *Recipe) Ready(c *Calibration) error {
	if l, ok := r.Score.(Learner); ok {
		if err := l.Ready(c); err != nil {
			return &NotCalibratedError{Recipe: r.String(), Reason: err}
		}
	}
	return nil
}

// A NotCalibratedError refuses a recipe that needs a calibration of the model.
type NotCalibratedError struct {
	Recipe string
	Reason error
}

func (e *NotCalibratedError) Error() string {
	return fmt.Sprintf("policy: recipe %s: %v", e.Recipe, e.Reason)
}

// Unwrap returns the reason.
func (e *NotCalibratedError) Unwrap() error { return e.Reason }

//go:embed calibrations
var shipped embed.FS

// ShippedCalibration returns what is known of a model by its general.name; nil for others. It is calibrated as by `pith calibrate MODEL`.
func ShippedCalibration(name string, layers int) (*Calibration, error) {
	file, err := shipped.Open("calibrations/" + strings.ReplaceAll(name, "/", "_") + ".json.gz")
	if err != nil {
		return nil, nil
	}
	defer file.Close()
	text, err := gzip.NewReader(file)
	if err != nil {
		return nil, fmt.Errorf("policy: calibration of %s: %w", name, err)
	}
	c := &Calibration{}
	if err := json.NewDecoder(text).Decode(c); err != nil {
		return nil, fmt.Errorf("policy: calibration of %s: %w", name, err)
	}
	if c.Layers != layers {
		return nil, nil // another model that bears the name
	}
	return c, nil
}

// CalibrationPath is where the calibration of a model file lies.
func CalibrationPath(model string) string { return model + ".calibration.json" }

// ReadCalibration reads the calibration beside a model file of so many layers; nil where there is none.
func ReadCalibration(model string, layers int) (*Calibration, error) {
	path := CalibrationPath(model)
	data, err := os.ReadFile(path)
	if os.IsNotExist(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("policy: calibration: %w", err)
	}
	p := &Calibration{}
	if err := json.Unmarshal(data, p); err != nil {
		return nil, fmt.Errorf("policy: calibration %s: %w", path, err)
	}
	if p.Version != CalibrationVersion || p.Layers != layers || p.PropagationLayer < -1 || p.PropagationLayer >= layers {
		return nil, fmt.Errorf("policy: calibration %s: version %d for %d layers, propagation after layer %d; want version %d for %d layers: calibrate again",
			path, p.Version, p.Layers, p.PropagationLayer, CalibrationVersion, layers)
	}
	return p, nil
}

// Write stores the calibration beside the model file, whole or not at all.
func (p *Calibration) Write(model string) error {
	data, err := json.MarshalIndent(p, "", "  ")
	if err != nil {
		return fmt.Errorf("policy: calibration: %w", err)
	}
	temporary := CalibrationPath(model) + ".tmp"
	if err := os.WriteFile(temporary, append(data, '\n'), 0o644); err != nil {
		return fmt.Errorf("policy: calibration: %w", err)
	}
	if err := os.Rename(temporary, CalibrationPath(model)); err != nil {
		os.Remove(temporary)
		return fmt.Errorf("policy: calibration: %w", err)
	}
	return nil
}
