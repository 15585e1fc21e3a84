package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
)

func locate(ctx context.Context, name string, m missing) (string, error) {
	if isFile(name) {
		return name, nil
	}
	return "", fmt.Errorf("no model %s", name)
}
func modelNames() []string     { return nil }
func syntheticDir() string     { return "/tmp/w/cmd" }
func newPull() *cobra.Command  { return &cobra.Command{Use: "pull"} }
func newList() *cobra.Command  { return &cobra.Command{Use: "list"} }
func newServe() *cobra.Command { return &cobra.Command{Use: "serve"} }
