package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"pith/hub"
)

func newPull() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "pull NAME",
		Short: "Fetch, verify and keep a model",
		Long: `Fetches a model of the built-in catalogue or hf.co/user/repo:quant into $PITH_MODELS, else the user's data folder. An interrupted pull
goes on where it stopped; nothing gets its name before its digest is right. $HF_TOKEN is sent to the hub alone.`,
		Args: wants("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			store, err := hub.Open("")
			if err != nil {
				return err
			}
			e, err := pull(cmd.Context(), store, args[0], cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			if asJSON {
				return writeJSON(cmd.OutOrStdout(), listed(e))
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), e.Path)
			return err
		},
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			var names []string
			for _, m := range hub.Catalogue() {
				names = append(names, m.Name+"\t"+m.Title)
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "machine-readable output")
	return cmd
}

// pull fetches a model and reports on log: a bar on a terminal, else a line for each thing that begins.
func pull(ctx context.Context, store *hub.Store, name string, log io.Writer) (hub.Entry, error) {
	r := &pullReport{log: log}
	if log == os.Stderr {
		r.bar = newProgressBar("")
	}
	defer r.bar.clear()
	return store.Pull(ctx, name, hub.Options{Progress: r.take})
}

// pullReport turns the hub's progress into lines.
type pullReport struct {
	log  io.Writer
	bar  *progressBar // nil or silent off a terminal
	last string
}

func (r *pullReport) take(p hub.Progress) {
	what := fmt.Sprintf("%s %s", p.Phase, p.File)
	if p.Phase == hub.Skipped {
		r.line("%s does not work: %v", p.Source, p.Err)
		r.last = ""
		return
	}
	if key := what + p.Source; key != r.last {
		r.last = key
		switch p.Phase {
		case hub.Waiting:
			r.line("waiting for another pull of %s", p.Name)
		case hub.Fetching:
			size := ""
			if p.Total > 0 {
				size = ", " + bytesText(p.Total)
			}
			r.line("fetching %s from %s%s", p.File, p.Source, size)
		}
		r.bar.clear()
	}
	if r.bar != nil {
		r.bar.what = what
		r.bar.bytes(p.Bytes, p.Total)
	}
}

func (r *pullReport) line(format string, a ...any) {
	r.bar.clear()
	fmt.Fprintf(r.log, format+"\n", a...)
}

// listedModel is a model of `pith list --json`.
type listedModel struct {
	Name     string    `json:"name"`
	Path     string    `json:"path"`
	Files    int       `json:"files"`
	Size     int64     `json:"size"`
	SHA256   string    `json:"sha256,omitempty"`
	Licence  string    `json:"licence,omitempty"`
	Source   string    `json:"source"`
	Modified time.Time `json:"modified"`
}

func listed(e hub.Entry) listedModel {
	return listedModel{e.Name, e.Path, e.Files, e.Size, e.Digest, e.Licence, e.Source, e.Modified}
}
