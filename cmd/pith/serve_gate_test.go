package main

import (
	"bufio"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"

	"pith/eval"
)

// TestServeAsksForCertificates certifies a recipe, serves the model with --certified, and looks at what is shown, taken and refused.
func TestServeAsksForCertificates(t *testing.T) {
	path, _, err := synthesize("tiny:q8_0", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	run := func(want int, args ...string) string {
		t.Helper()
		out, err := exec.Command("pith", args...).CombinedOutput()
		status := 0
		if exit, ok := err.(*exec.ExitError); ok {
			status = exit.ExitCode()
		}
		if status != want {
			t.Fatalf("pith %s: status %d, want %d: %s", strings.Join(args, " "), status, want, out)
		}
		return string(out)
	}
	if out := run(1, "serve", path, "--port", "0", "--certified", "--kv", "snapkv"); !strings.Contains(out, "there is none of snapkv at 25%") {
		t.Errorf("without a certificate: %s", out)
	}
	run(0, "certify", path, "--kv", "snapkv", "--keep", "50.0%", "--length", "2600", "--max-kl", "0", "--min-top1", "0", "--min-needle", "0", "--min-ruler", "0", "-t", "1")
	run(1, "certify", path, "--kv", "knorm", "--keep", "50%", "--length", "2600", "--max-kl", "1e-9", "-t", "1")
	if out := run(1, "serve", path, "--port", "0", "--max-kl", "1e-9", "--kv", "snapkv", "--keep", "50%"); !strings.Contains(out, "above 1e-09") {
		t.Errorf("below a floor: %s", out)
	}

	address, stop := serving(t, path, "--certified", "--kv", "snapkv", "--keep", "50%", "-t", "1")
	defer stop()
	var models struct {
		Data []struct {
			Certificates []eval.Certificate `json:"certificates"`
		} `json:"data"`
	}
	resp, err := http.Get(address + "/models")
	if err != nil {
		t.Fatal(err)
	}
	err = json.NewDecoder(resp.Body).Decode(&models)
	resp.Body.Close()
	if err != nil || len(models.Data) != 1 || len(models.Data[0].Certificates) != 2 || models.Data[0].Certificates[0].Keep != "50%" {
		t.Errorf("models: %+v, %v", models, err)
	}
	for _, c := range []struct {
		fields string
		status int
		says   string
	}{
		{``, 200, ""},
		{`,"kv":"SnapKV","keep":"50%"`, 200, ""},
		{`,"kv":"full"`, 200, ""},
		{`,"keep":"25%"`, 400, "there is none of snapkv at 25%"},
		{`,"kv":"knorm","keep":"50%"`, 400, "above 1e-09"},
		{`,"kv":"tova"`, 400, "recipe_not_certified"},
		{`,"kv_memory":"1MiB"`, 400, "cap in bytes"},
	} {
		resp, err := http.Post(address+"/completions", "application/json", strings.NewReader(`{"prompt":"one two three","max_tokens":2`+c.fields+`}`))
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != c.status || !strings.Contains(string(body), c.says) {
			t.Errorf("%s: status %d, want %d: %s", c.fields, resp.StatusCode, c.status, body)
		}
	}
}

// serving starts a server of a model and returns the address of its interface once it listens.
func serving(t *testing.T, model string, flags ...string) (address string, stop func()) {
	t.Helper()
	cmd := exec.Command("pith", append([]string{"serve", model, "--port", "0"}, flags...)...)
	out, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var told []string
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		told = append(told, lines.Text())
		if _, rest, ok := strings.Cut(lines.Text(), "listening on "); ok {
			address, _, _ = strings.Cut(rest, " ")
			break
		}
	}
	if address == "" {
		cmd.Wait()
		t.Fatalf("the server does not listen: %q", told)
	}
	if !strings.Contains(strings.Join(told, "\n"), "certificate of snapkv at 50%") {
		t.Errorf("certificates are not shown: %q", told)
	}
	go io.Copy(io.Discard, out)
	return address, func() {
		cmd.Process.Signal(os.Interrupt)
		cmd.Process.Kill()
		cmd.Wait()
	}
}
