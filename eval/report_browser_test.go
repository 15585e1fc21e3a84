package eval

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// inspector is a page that shows the report in a frame of a phone's width and writes down how it came out.
const inspector = `<!doctype html><body style="margin:0"><iframe id=f src="report.html" style="width:%dpx;height:9000px;border:0"></iframe><script>
f.onload = function() {
  var d = f.contentDocument, w = f.contentWindow, found = {width: d.documentElement.scrollWidth, figures: 0, texts: 0, smallest: 1e9, overlapping: [], outside: [], rows: 0, resources: []};
  found.resources = w.performance.getEntriesByType("resource").map(function(e) { return e.name });
  found.rows = d.querySelectorAll("table tbody tr").length;
  d.querySelectorAll("svg.plot").forEach(function(s) {
    var frame = s.getBoundingClientRect();
    if (frame.width == 0) return;
    found.figures++;
    var texts = [].slice.call(s.querySelectorAll("text")), boxes = texts.map(function(t) { return t.getBoundingClientRect() });
    texts.forEach(function(t, i) {
      var b = boxes[i];
      found.texts++;
      found.smallest = Math.min(found.smallest, parseFloat(w.getComputedStyle(t).fontSize) * frame.width / s.viewBox.baseVal.width);
      if (b.left < frame.left - 1 || b.right > frame.right + 1 || b.top < frame.top - 1 || b.bottom > frame.bottom + 1) found.outside.push(t.textContent);
      for (var j = 0; j < i; j++) {
        var c = boxes[j];
        if (b.left < c.right - 1 && c.left < b.right - 1 && b.top < c.bottom - 2 && c.top < b.bottom - 2) found.overlapping.push(t.textContent + " / " + texts[j].textContent);
      }
    });
  });
  var p = document.createElement("pre");
  p.id = "found";
  p.textContent = JSON.stringify(found);
  document.body.appendChild(p);
}
</script></body>`

// TestReportInABrowser opens the report in headless Chromium: no message on the console (refusals of the page's own policy would be there),
// no request for anything but the page itself, and at the width of a phone nothing that must be scrolled sideways, no label that is cut off, too small or under another.
func TestReportInABrowser(t *testing.T) {
	browser := findBrowser()
	if browser == "" {
		t.Skip("left out: no Chromium here")
	}
	dir := t.TempDir()
	if err := WriteReport(dir, testReportRows(), testNotes); err != nil {
		t.Fatal(err)
	}
	for _, width := range []int{390, 1280} {
		name := fmt.Sprintf("inspect-%d.html", width)
		if err := os.WriteFile(filepath.Join(dir, name), fmt.Appendf(nil, inspector, width), 0o644); err != nil {
			t.Fatal(err)
		}
		dom, log := browse(t, browser, filepath.Join(dir, name))
		if strings.Contains(log, "CONSOLE") {
			t.Errorf("%d px: the console says %s", width, log)
		}
		m := regexp.MustCompile(`<pre id="found">(.*?)</pre>`).FindStringSubmatch(dom)
		if m == nil {
			t.Fatalf("%d px: the page did not load: %.300s", width, dom)
		}
		var found struct {
			Width, Figures, Texts, Rows int
			Smallest                    float64
			Overlapping, Outside        []string
			Resources                   []string
		}
		if err := json.Unmarshal([]byte(strings.NewReplacer("&lt;", "<", "&gt;", ">", "&amp;", "&").Replace(m[1])), &found); err != nil {
			t.Fatal(err)
		}
		for _, u := range found.Resources {
			if !strings.HasPrefix(u, "data:") {
				t.Errorf("%d px: the page asks for %s", width, u)
			}
		}
		if found.Figures < 4 || found.Texts < 50 || found.Rows < 20 {
			t.Errorf("%d px: %d figures, %d labels, %d lines of tables", width, found.Figures, found.Texts, found.Rows)
		}
		if found.Width > width || found.Smallest < 9 || len(found.Overlapping) > 0 || len(found.Outside) > 0 {
			t.Errorf("%d px: the page is %d wide, the smallest label %.1f px; over each other %q; cut off %q", width, found.Width, found.Smallest, found.Overlapping, found.Outside)
		}
	}
}

func findBrowser() string {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}

// browse opens a file, without any way to the network, and returns what the page became and what the browser logged.
func browse(t *testing.T, browser, path string) (dom, log string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	var out, errs strings.Builder
	cmd := exec.CommandContext(ctx, browser, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--no-first-run",
		"--host-resolver-rules=MAP * ~NOTFOUND", "--allow-file-access-from-files", "--window-size=1400,1000", "--virtual-time-budget=5000",
		"--enable-logging=stderr", "--user-data-dir="+filepath.Join(t.TempDir(), "profile"), "--dump-dom", "file://"+filepath.ToSlash(path))
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Skipf("left out: %s does not run here: %v", browser, err)
	}
	return out.String(), errs.String()
}
