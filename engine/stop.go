package engine

import "strings"

// A stopper passes text on until one of the stop strings appears, and never passes on a part of one.
type stopper struct {
	stops []string
	held  string
}

// push takes the next piece of text and returns what may be shown; stopped tells that a stop string has appeared, whose text and
// all that follows is swallowed.
func (s *stopper) push(text string) (show string, stopped bool) {
	s.held += text
	first := -1
	for _, stop := range s.stops {
		if i := strings.Index(s.held, stop); i >= 0 && (first < 0 || i < first) {
			first = i
		}
	}
	if first >= 0 {
		show, s.held = s.held[:first], ""
		return show, true
	}
	keep := 0 // longest end of held that begins a stop string
	for _, stop := range s.stops {
		for n := min(len(stop)-1, len(s.held)); n > keep; n-- {
			if strings.HasPrefix(stop, s.held[len(s.held)-n:]) {
				keep = n
				break
			}
		}
	}
	show, s.held = s.held[:len(s.held)-keep], s.held[len(s.held)-keep:]
	return show, false
}

// flush returns what was held back for a stop string that never came.
func (s *stopper) flush() string {
	held := s.held
	s.held = ""
	return held
}
