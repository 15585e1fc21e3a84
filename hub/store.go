package hub

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// Dir returns the folder that models live in: $PITH_MODELS, else pith/models in the user's data folder ($XDG_DATA_HOME,
// else what the system has for that).
func Dir() (string, error) {
	if dir := os.Getenv("PITH_MODELS"); dir != "" {
		return filepath.Abs(dir)
	}
	if dir := os.Getenv("XDG_DATA_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "pith", "models"), nil
	}
	if runtime.GOOS == "windows" {
		if dir := os.Getenv("LocalAppData"); dir != "" {
			return filepath.Join(dir, "pith", "models"), nil
		}
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("hub: models folder: %w; set PITH_MODELS", err)
	}
	switch runtime.GOOS {
	case "darwin":
		return filepath.Join(home, "Library", "Application Support", "pith", "models"), nil
	case "windows":
		return filepath.Join(home, "AppData", "Local", "pith", "models"), nil
	}
	return filepath.Join(home, ".local", "share", "pith", "models"), nil
}

// Store is a folder of models. Its zero value is not usable; see Open.
type Store struct {
	dir    string
	models []Model // the catalogue
}

// Open returns the store in dir, the one of Dir when dir is empty. The folder need not exist: the first pull makes it.
func Open(dir string) (*Store, error) {
	if dir == "" {
		var err error
		if dir, err = Dir(); err != nil {
			return nil, err
		}
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("hub: models folder: %w", err)
	}
	return &Store{dir: dir, models: catalogue}, nil
}

// Dir returns the store's folder.
func (s *Store) Dir() string { return s.dir }

// Entry is a model on this machine.
type Entry struct {
	Name     string // what Resolve takes
	Path     string // of the file, the first part of a split one
	Files    int    // parts
	Size     int64  // of all parts, bytes
	Digest   string // SHA-256 of the file at Path, lower-case hex; empty for a file put here by hand
	Licence  string // empty when unknown
	Source   string // where it came from
	Modified time.Time
}

// manifestName is the file beside a model that says what it is.
const manifestName = "model.json"

// manifest is written after all files of a model are in place and verified: a model without one is not there.
type manifest struct {
	Name    string         `json:"name"`
	Licence string         `json:"licence,omitempty"`
	Source  string         `json:"source"`
	Pulled  time.Time      `json:"pulled"`
	Files   []manifestFile `json:"files"`
}

type manifestFile struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

// NotFoundError is a name for which no file is on this machine.
type NotFoundError struct {
	Name string
	Pull string   // what to pull, empty when nothing of that name can be
	Near []string // names that could be meant
}

func (e *NotFoundError) Error() string {
	if e.Pull != "" {
		return fmt.Sprintf("hub: model %s: not on this machine; fetch it with: pith pull %s", e.Name, e.Pull)
	}
	if len(e.Near) > 0 {
		return fmt.Sprintf("hub: model %s: no such file, nor a known name (%s, hf.co/user/repo:quantisation)", e.Name, strings.Join(e.Near, ", "))
	}
	return fmt.Sprintf("hub: model %s: no such file, nor a known name", e.Name)
}

// Resolve returns the path of a model that is here: a path to an existing file, a name of the catalogue, hf.co/user/repo[:quant], or a
// file below the store. What is not here is a *NotFoundError.
func (s *Store) Resolve(name string) (string, error) {
	if name == "" {
		return "", errors.New("hub: model: empty name")
	}
	if info, err := os.Stat(name); err == nil && !info.IsDir() {
		return name, nil
	}
	ref, isRef, err := parseReference(name)
	if err != nil {
		return "", err
	}
	root, err := os.OpenRoot(s.dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("hub: models folder: %w", err)
	}
	if err == nil {
		defer root.Close()
	}
	model, known := find(s.models, name)
	switch {
	case known:
		if root != nil {
			if e, ok := s.entry(root, model.Name); ok {
				return e.Path, nil
			}
		}
		return "", &NotFoundError{Name: name, Pull: model.Name}
	case isRef:
		if root != nil {
			if e, ok := s.entry(root, ref.folder()); ok {
				return e.Path, nil
			}
		}
		return "", &NotFoundError{Name: name, Pull: ref.String()}
	}
	if root != nil {
		for _, file := range []string{name, name + ".gguf"} {
			if !filepath.IsLocal(filepath.FromSlash(file)) {
				continue
			}
			if info, err := root.Stat(filepath.FromSlash(file)); err == nil && info.Mode().IsRegular() {
				return filepath.Join(s.dir, filepath.FromSlash(file)), nil
			}
		}
	}
	e := &NotFoundError{Name: name}
	for _, m := range s.models {
		e.Near = append(e.Near, m.Name)
	}
	return "", e
}

// entry reads the manifest of the model in folder (slashes) and checks that its files are there with their sizes.
func (s *Store) entry(root *os.Root, folder string) (Entry, bool) {
	m, ok := readManifest(root, folder)
	if !ok {
		return Entry{}, false
	}
	e := Entry{Name: m.Name, Licence: m.Licence, Source: m.Source, Modified: m.Pulled, Files: len(m.Files)}
	for i, f := range m.Files {
		if !plain(f.Name) {
			return Entry{}, false
		}
		info, err := root.Stat(path.Join(folder, f.Name))
		if err != nil || info.Size() != f.Size {
			return Entry{}, false
		}
		e.Size += f.Size
		if i == 0 {
			e.Digest = f.SHA256
			e.Path = filepath.Join(s.dir, filepath.FromSlash(folder), f.Name)
		}
	}
	return e, true
}

func readManifest(root *os.Root, folder string) (manifest, bool) {
	var m manifest
	f, err := root.Open(path.Join(folder, manifestName))
	if err != nil {
		return m, false
	}
	defer f.Close()
	if err := decodeLimited(f, &m, 1<<20); err != nil {
		return m, false
	}
	return m, m.Name != "" && len(m.Files) > 0
}

func writeManifest(root *os.Root, folder string, m manifest) error {
	b, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	return replaceFile(root, path.Join(folder, manifestName), append(b, '\n'))
}

// replaceFile writes a small file under a temporary name and renames it, so that a reader sees the old or the new one.
func replaceFile(root *os.Root, name string, data []byte) error {
	tmp := name + ".tmp"
	if err := root.WriteFile(tmp, data, 0o644); err != nil {
		return err
	}
	return root.Rename(tmp, name)
}

// List returns the models in the store, those pulled and files put there by hand, sorted by name.
func (s *Store) List() ([]Entry, error) {
	root, err := os.OpenRoot(s.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("hub: models folder: %w", err)
	}
	defer root.Close()
	var out []Entry
	known := map[string]bool{} // files that a manifest names
	var loose []string
	err = fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return nil // a folder that cannot be read has no models to list
		case d.IsDir():
			if name != "." && strings.HasPrefix(d.Name(), ".") {
				return fs.SkipDir
			}
			if e, ok := s.entry(root, name); ok {
				out = append(out, e)
				m, _ := readManifest(root, name)
				for _, f := range m.Files {
					known[path.Join(name, f.Name)] = true
				}
			}
		case strings.HasSuffix(strings.ToLower(name), ".gguf"):
			loose = append(loose, name)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("hub: models folder: %w", err)
	}
	for _, name := range loose {
		info, err := root.Stat(name)
		if known[name] || err != nil || !info.Mode().IsRegular() {
			continue
		}
		out = append(out, Entry{
			Name: strings.TrimSuffix(name, ".gguf"), Path: filepath.Join(s.dir, filepath.FromSlash(name)), Files: 1,
			Size: info.Size(), Source: "put here by hand", Modified: info.ModTime(),
		})
	}
	slices.SortFunc(out, func(a, b Entry) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}
