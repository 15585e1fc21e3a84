package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"pith/engine"
	"pith/gguf"
)

// missing says what becomes of a model that is not on this machine.
type missing bool

const (
	mustBeHere    missing = false
	pullIfMissing missing = true
)

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
	return engine.New(f, c.options())
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
