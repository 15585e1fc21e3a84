package policy

import "slices"

// A Trainer learns, from texts, what its method needs to know of a model. Calibration lets a teacher read each text, then shows the trainer
// every layer of the same text beside the teacher's scores.
type Trainer interface {
	// Teacher returns the spec of the recipe whose scores are learnt.
	Teacher() string
	// Signals returns what Learn looks at.
	Signals() Signals
	// Learn takes in one layer of one text; scores are the teacher's, [KVHeads][Tokens]. A held-out text is only predicted, not learnt:
	// it comes after all others.
	Learn(l *Layer, scores [][]float32, heldOut bool) error
	// Finish stores what was learnt.
	Finish(c *Calibration) error
}

var trainers []func() Trainer

// RegisterTrainer adds a trainer. It is called from init functions only.
func RegisterTrainer(f func() Trainer) { trainers = append(trainers, f) }

// Trainers returns new trainers of all methods that learn.
func Trainers() []Trainer {
	var out []Trainer
	for _, f := range slices.Clone(trainers) {
		out = append(out, f())
	}
	return out
}
