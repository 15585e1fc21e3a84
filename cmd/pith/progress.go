package main

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"time"
)

// A progressBar shows on a terminal how far a piece of work is and how long it will still take; elsewhere it is silent. The zero
// value is silent too. It may be called from any goroutine.
type progressBar struct {
	out   *os.File // nil: silent
	what  string
	mu    sync.Mutex
	start time.Time
	drawn time.Time
	width int
}

// newProgressBar draws on standard error if it is a terminal.
func newProgressBar(what string) *progressBar {
	p := &progressBar{what: what}
	if isTerminal(os.Stderr) && os.Getenv("TERM") != "dumb" {
		p.out = os.Stderr
	}
	return p
}

// redrawInterval keeps drawing cheap; short work never shows a bar.
const redrawInterval = 100 * time.Millisecond

// update tells that done of total is finished.
func (p *progressBar) update(done, total int64) { p.draw(done, total, "") }

// prefill is an engine.Request's Progress.
func (p *progressBar) prefill(done, total int) { p.draw(int64(done), int64(total), "") }

// bytes is update with the figures shown as sizes.
func (p *progressBar) bytes(done, total int64) {
	p.draw(done, total, fmt.Sprintf(" %s of %s", bytesText(done), bytesText(total)))
}

func (p *progressBar) draw(done, total int64, figures string) {
	if p == nil || p.out == nil || total <= 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if p.start.IsZero() || done <= 0 {
		p.start, p.drawn = now, now
	}
	if now.Sub(p.drawn) < redrawInterval {
		return
	}
	p.drawn = now
	const cells = 24
	share := min(float64(done)/float64(total), 1)
	full := int(share * cells)
	line := fmt.Sprintf("%s [%s%s] %3.0f%%%s", p.what, strings.Repeat("=", full), strings.Repeat(" ", cells-full), 100*share, figures)
	if left := timeLeft(now.Sub(p.start), share); left > 0 {
		line += ", " + left.String() + " left"
	}
	fmt.Fprintf(p.out, "\r%s%s", line, strings.Repeat(" ", max(0, p.width-len(line))))
	p.width = len(line)
}

// timeLeft extrapolates; 0 where there is too little to go by.
func timeLeft(spent time.Duration, share float64) time.Duration {
	if share <= 0.01 || spent < 200*time.Millisecond {
		return 0
	}
	left := time.Duration(float64(spent) * (1 - share) / share)
	if left > 10*time.Second {
		return left.Round(time.Second)
	}
	return left.Round(100 * time.Millisecond)
}

// clear wipes the bar off the line.
func (p *progressBar) clear() {
	if p == nil || p.out == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.width > 0 {
		fmt.Fprintf(p.out, "\r%s\r", strings.Repeat(" ", p.width))
	}
	p.width, p.start, p.drawn = 0, time.Time{}, time.Time{}
}
