package policy

// A Yielder keeps everything until memory runs short. Then the engine takes what matters least: blocks of entries of all layers and of all
// sequences that yield compete by their relevance, and no sequence is taken below the share that its budget promises. Its score is what
// entries start with, its pins are never taken.
type Yielder interface {
	Scorer
	// Decay is what is left of an entry's relevance after a step, before the attention that the step paid to it is added.
	Decay() float32
	// Block is how many neighbouring entries are judged, and taken, together.
	Block() int
}
