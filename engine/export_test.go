package engine

// Stretch lets a sequence go on beyond the model's context: memory and time do not depend on what comes out.
func (s *Sequence) Stretch(n int) { s.maxLen = n }
