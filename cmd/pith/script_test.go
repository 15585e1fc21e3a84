package main

import (
	"bufio"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"pith/gguf"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"pith": main})
}

// TestScripts runs the whole program. $TINY is a model of random weights, $VOCAB a file with a vocabulary and no weights.
func TestScripts(t *testing.T) {
	dir := t.TempDir()
	models := sync.OnceValue(func() error { return testModels(dir) })
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("PITH_MODELS", filepath.Join(env.WorkDir, "models"))
			env.Setenv("XDG_CACHE_HOME", filepath.Join(env.WorkDir, "cache"))
			env.Setenv("TINY", filepath.Join(dir, "tiny-q8_0-random-2.gguf"))
			env.Setenv("VOCAB", filepath.Join(dir, "vocab.gguf"))
			env.Setenv("PITH_CPU", os.Getenv("PITH_CPU"))
			return models()
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":    exits,
			"truncate": truncate,
			"repeat":   repeat,
		},
	})
}

// testModels writes the models that the scripts use.
func testModels(dir string) error {
	if _, _, err := synthesize("tiny:q8_0", dir); err != nil {
		return err
	}
	w := &gguf.Writer{}
	var failed error
	s := shapes["tiny"]
	s.vocabulary(func(key string, v any) { failed = errors.Join(failed, w.Set(key, v)) })
	return errors.Join(failed, w.Set("general.architecture", "unheard-of"), w.WriteFile(filepath.Join(dir, "vocab.gguf")))
}

// exits runs a command and checks its exit status: exits 2 pith frob.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits STATUS COMMAND ARGS...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	var exit *exec.ExitError
	if err := ts.Exec(args[1], args[2:]...); errors.As(err, &exit) {
		got = exit.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if got != want {
		ts.Fatalf("exit status %d, want %d", got, want)
	}
}

// truncate copies the first bytes of a file: truncate FROM TO BYTES.
func truncate(ts *testscript.TestScript, _ bool, args []string) {
	b, err := os.ReadFile(ts.MkAbs(args[0]))
	ts.Check(err)
	n, err := strconv.Atoi(args[2])
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), b[:min(n, len(b))], 0o644))
}

// repeat writes a text many times: repeat FILE COUNT TEXT.
func repeat(ts *testscript.TestScript, _ bool, args []string) {
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(strings.Repeat(args[2], n)), 0o644))
}

// TestInterruptEndsWith130 sends the signal of Ctrl-C while an answer is being printed.
func TestInterruptEndsWith130(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("left out: no signals on Windows")
	}
	dir := t.TempDir()
	path, _, err := synthesize("tiny:q8_0", dir)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("pith", "run", path, "Tell me everything.", "-t", "1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := bufio.NewReader(out).ReadByte(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	err = cmd.Wait()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != exitInterrupted {
		t.Errorf("ended with %v, want exit status %d", err, exitInterrupted)
	}
}
