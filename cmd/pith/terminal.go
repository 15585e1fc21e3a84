package main

import (
	"io"
	"os"

	"golang.org/x/term"
)

// terminalLines reads lines from a terminal with x/term's editor. The terminal is raw only while a line is read, so that Ctrl-C
// interrupts a reply.
type terminalLines struct {
	file   *os.File
	editor *term.Terminal
}

func newTerminalLines(f *os.File) *terminalLines {
	on, off := dim(os.Stderr)
	screen := struct {
		io.Reader
		io.Writer
	}{f, os.Stderr}
	return &terminalLines{file: f, editor: term.NewTerminal(screen, on+">>> "+off)}
}

func (t *terminalLines) read() (string, error) {
	fd := int(t.file.Fd())
	if width, height, err := term.GetSize(fd); err == nil && width > 0 {
		t.editor.SetSize(width, height)
	}
	state, err := term.MakeRaw(fd)
	if err != nil {
		return "", err
	}
	defer term.Restore(fd, state)
	return t.editor.ReadLine()
}
