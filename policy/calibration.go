package policy

import (
	"encoding/json"
	"fmt"
	"os"
)

// CalibrationVersion is the form of a calibration; another one is refused.
const CalibrationVersion = 1

// A Calibration is what calibration has measured of one model. It lies beside the model's file, as FILE.calibration.json.
type Calibration struct {
	Version int    `json:"version"`
	Model   string `json:"model"` // general.name of the file it was measured on
	Layers  int    `json:"layers"`

	// PropagationLayer is the layer after which token-selective propagation does the least harm for its depth.
	PropagationLayer int `json:"propagation_layer"`
	// PropagationLoss is the mean KL of the next token against the full prefill, by layer; -1 where it was not measured.
	PropagationLoss []float64 `json:"propagation_loss"`
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
	if p.Version != CalibrationVersion || p.Layers != layers || p.PropagationLayer < 0 || p.PropagationLayer >= layers {
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
