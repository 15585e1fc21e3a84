package eval

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"

	"pith/kernel"
)

// Machine names the processor, the number of its threads that the process may use, and the instructions that are used.
func Machine() string {
	name := runtime.GOARCH
	if cpu := processor(); cpu != "" {
		name = cpu
	}
	return fmt.Sprintf("%s, %d threads, %s, %s", name, runtime.GOMAXPROCS(0), kernel.CPU(), runtime.GOOS)
}

// processor is the name that Linux gives the processor, "" elsewhere.
func processor() string {
	data, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return ""
	}
	for line := range bytes.Lines(data) {
		if key, value, ok := strings.Cut(string(line), ":"); ok && strings.TrimSpace(key) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// A Note tells how rows came about: one line of a journal's runs.log for each time that it was opened to measure.
type Note struct {
	Time    string   `json:"time"`
	Command []string `json:"command"`
	Origin
}

// notesName is the file of a journal's notes.
const notesName = "runs.log"

// Note remembers the command line of a run, so that a report can tell how to make it again.
func (j *Journal) Note(args []string, o Origin) error {
	return j.AddNote(Note{time.Now().UTC().Format(time.RFC3339), args, o})
}

// AddNote takes over a note of another journal.
func (j *Journal) AddNote(n Note) error {
	f, err := os.OpenFile(j.path(notesName), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("eval: journal: %w", err)
	}
	_, err = f.WriteString(encode(n) + "\n")
	if closing := f.Close(); err == nil {
		err = closing
	}
	if err != nil {
		return fmt.Errorf("eval: journal: %w", err)
	}
	return nil
}
