package server

import (
	"os"
	"os/exec"
	"testing"
)

// TestOfficialClient runs OpenAI's own Python client against the server. PITH_OPENAI_PYTHON names a Python that has the package.
func TestOfficialClient(t *testing.T) {
	python := os.Getenv("PITH_OPENAI_PYTHON")
	if python == "" {
		t.Skip("left out: PITH_OPENAI_PYTHON names no Python with the openai package")
	}
	_, h := start(t, nil)
	cmd := exec.Command(python, "testdata/openai_client.py", h.URL+"/v1")
	if out, err := cmd.CombinedOutput(); err != nil || string(out) != "ok\n" {
		t.Errorf("%v\n%s", err, out)
	}
}
