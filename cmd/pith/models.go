package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"pith/engine"
	"pith/gguf"
	"pith/hub"
)

// missing says what becomes of a model that is not on this machine.
type missing bool

const (
	mustBeHere    missing = false
	pullIfMissing missing = true
)

// locate returns the path of MODEL: a path, a name of the catalogue, hf.co/user/repo:quant, or a file in the store.
func locate(ctx context.Context, name string, m missing) (string, error) {
	store, err := hub.Open("")
	if err != nil {
		return "", err
	}
	path, err := store.Resolve(name)
	var absent *hub.NotFoundError
	if m == mustBeHere || !errors.As(err, &absent) || absent.Pull == "" {
		return path, err
	}
	fmt.Fprintf(os.Stderr, "%s is not here: pulling it\n", name)
	e, err := pull(ctx, store, absent.Pull, os.Stderr)
	return e.Path, err
}

// openFile opens MODEL as it stands on the command line: a path, or what the hub knows.
func openFile(ctx context.Context, name string, m missing) (*gguf.File, error) {
	path, err := locate(ctx, name, m)
	if err != nil {
		return nil, err
	}
	return gguf.Open(path)
}

// openEngine opens MODEL ready to compute.
func openEngine(ctx context.Context, name string, c *computing, m missing) (*engine.Engine, error) {
	f, err := openFile(ctx, name, m)
	if err != nil {
		return nil, err
	}
	return newEngine(f, c.options(), os.Stderr)
}

// newEngine opens a model that it owns from here on, and says so where memory was too short to do it well.
func newEngine(f *gguf.File, o engine.Options, log io.Writer) (*engine.Engine, error) {
	e, err := engine.New(f, o)
	if err != nil {
		return nil, err
	}
	if rest := e.UnpackedBytes(); rest > 0 {
		fmt.Fprintf(log, "%s: memory has room for %s of packed weights, %s stay in the mapped file (--pack all packs them)\n",
			modelTitle(f), bytesText(e.PackedBytes()), bytesText(rest))
	}
	return e, nil
}

// looksLikePath reports whether a model's name can only be a file's.
func looksLikePath(name string) bool {
	return strings.HasSuffix(strings.ToLower(name), ".gguf") || filepath.IsAbs(name) || strings.HasPrefix(name, ".") || strings.HasPrefix(name, "~")
}

// isFile reports whether there is a file of that name.
func isFile(name string) bool {
	info, err := os.Stat(name)
	return err == nil && !info.IsDir()
}

// modelTitle is what a model is called in results.
func modelTitle(f *gguf.File) string {
	if name, ok := f.String("general.name"); ok && name != "" {
		return name
	}
	return filepath.Base(f.Path())
}

// completeModels offers the models that are here, and files.
func completeModels(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return modelNames(), cobra.ShellCompDirectiveDefault
}

// modelNames lists what the store holds.
func modelNames() []string {
	store, err := hub.Open("")
	if err != nil {
		return nil
	}
	entries, _ := store.List()
	var names []string
	for _, e := range entries {
		names = append(names, e.Name)
	}
	return names
}

// syntheticDir is where made-up models are kept: they can be made again, so they lie in the cache.
func syntheticDir() (string, error) {
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, "pith", "synthetic"), nil
}
