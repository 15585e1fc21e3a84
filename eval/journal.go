package eval

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// A Journal is a directory of rows, one file of JSON lines a task. Every row is written whole and at once: a process that is killed
// leaves at most one torn last line, which the next Open cuts off. Rows are never rewritten.
type Journal struct {
	dir   string
	files map[string]*os.File // by task
	seen  map[string]bool     // identities of rows
	rows  []Row
}

// OpenJournal opens or creates a directory of rows and reads those that are there.
func OpenJournal(dir string) (*Journal, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("eval: journal: %w", err)
	}
	j := &Journal{dir: dir, files: map[string]*os.File{}, seen: map[string]bool{}}
	paths, err := filepath.Glob(filepath.Join(escapeGlob(dir), "*"+rowsSuffix))
	if err != nil {
		return nil, fmt.Errorf("eval: journal: %w", err)
	}
	for _, p := range paths {
		if err := cutTornLine(p); err != nil {
			return nil, err
		}
		rows, err := ReadRows(p)
		if err != nil {
			return nil, err
		}
		for _, r := range rows {
			j.remember(r)
		}
	}
	return j, nil
}

// rowsSuffix ends the names of files of rows; packedSuffix after it those that gzip made smaller, which are read and not added to.
const (
	rowsSuffix   = ".jsonl"
	packedSuffix = ".gz"
)

// maxRows bounds what a packed file may unfold to.
const maxRows = 1 << 30

func unpack(data []byte) ([]byte, error) {
	z, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	out, err := io.ReadAll(io.LimitReader(z, maxRows+1))
	if err == nil && len(out) > maxRows {
		err = fmt.Errorf("more than %d bytes of rows", maxRows)
	}
	return out, err
}

func escapeGlob(s string) string {
	return strings.NewReplacer(`*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(s)
}

func (j *Journal) path(name string) string { return filepath.Join(j.dir, name) }

func (j *Journal) remember(r Row) bool {
	id := r.identity()
	if j.seen[id] {
		return false
	}
	j.seen[id] = true
	j.rows = append(j.rows, r)
	return true
}

// Done reports whether a row of this key is there, from this machine or another.
func (j *Journal) Done(k Key) bool { return j.seen[k.identity()] }

// Rows returns all rows, those read first. Borrowed until the next Append.
func (j *Journal) Rows() []Row { return j.rows }

// Append writes a row unless its like is there.
func (j *Journal) Append(r Row) error {
	if !j.remember(r) {
		return nil
	}
	f := j.files[r.Task]
	if f == nil {
		var err error
		f, err = os.OpenFile(j.path(r.Task+rowsSuffix), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
		if err != nil {
			return fmt.Errorf("eval: journal: %w", err)
		}
		j.files[r.Task] = f
	}
	if _, err := f.WriteString(encode(r) + "\n"); err != nil {
		return fmt.Errorf("eval: journal: %w", err)
	}
	return nil
}

// Close closes the files.
func (j *Journal) Close() error {
	var errs []error
	for _, f := range j.files {
		errs = append(errs, f.Close())
	}
	return errors.Join(errs...)
}

// encode writes a value as one line of JSON. Rows and keys hold nothing that cannot be encoded but NaN and infinities, which finite
// keeps out.
func encode(v any) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return fmt.Sprintf(`{"error":%q}`, err)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// cutTornLine removes what follows the last newline of a file.
func cutTornLine(path string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("eval: journal: %w", err)
	}
	whole := bytes.LastIndexByte(data, '\n') + 1
	if whole == len(data) {
		return nil
	}
	if err := os.Truncate(path, int64(whole)); err != nil {
		return fmt.Errorf("eval: journal: %w", err)
	}
	return nil
}

// ReadRows reads a file of rows, or every such file in a directory. Lines that are no rows of ours (other tools' notes, summaries) are
// refused by number, except an incomplete last one, which is passed over.
func ReadRows(path string) ([]Row, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("eval: %w", err)
	}
	if info.IsDir() {
		var paths []string
		for _, suffix := range []string{rowsSuffix, rowsSuffix + packedSuffix} {
			found, err := filepath.Glob(filepath.Join(escapeGlob(path), "*"+suffix))
			if err != nil {
				return nil, fmt.Errorf("eval: %w", err)
			}
			paths = append(paths, found...)
		}
		if len(paths) == 0 {
			return nil, fmt.Errorf("eval: %s: no file of rows (*%s): %w", path, rowsSuffix, fs.ErrNotExist)
		}
		slices.Sort(paths)
		var all []Row
		for _, p := range paths {
			rows, err := ReadRows(p)
			if err != nil {
				return nil, err
			}
			all = append(all, rows...)
		}
		return all, nil
	}
	data, err := os.ReadFile(path)
	if err == nil && strings.HasSuffix(path, packedSuffix) {
		data, err = unpack(data)
	}
	if err != nil {
		return nil, fmt.Errorf("eval: %s: %w", path, err)
	}
	var rows []Row
	for n := 1; len(data) > 0; n++ {
		line, rest, whole := bytes.Cut(data, []byte("\n"))
		data = rest
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		var r Row
		if err := json.Unmarshal(line, &r); err != nil || r.Task == "" {
			if !whole {
				break
			}
			if err == nil {
				err = errors.New("no task")
			}
			return nil, fmt.Errorf("eval: %s: line %d: %w", path, n, err)
		}
		if r.Task != TaskSummary {
			rows = append(rows, r)
		}
	}
	return rows, nil
}

// Merge brings rows of several runs together; of equal ones the first stays. The result is in a fixed order, whatever the order of
// the runs.
func Merge(runs ...[]Row) []Row {
	seen := map[string]bool{}
	var all []Row
	for _, rows := range runs {
		for _, r := range rows {
			if id := r.identity(); !seen[id] {
				seen[id] = true
				all = append(all, r)
			}
		}
	}
	slices.SortStableFunc(all, func(a, b Row) int { return strings.Compare(a.identity(), b.identity()) })
	return all
}
