package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"pith/hub"
)

func newList() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "Models here",
		Args:  wants(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			store, err := hub.Open("")
			if err != nil {
				return err
			}
			entries, err := store.List()
			if err != nil {
				return err
			}
			if asJSON {
				list := []listedModel{}
				for _, e := range entries {
					list = append(list, listed(e))
				}
				return writeJSON(cmd.OutOrStdout(), list)
			}
			if len(entries) == 0 {
				fmt.Fprintf(cmd.ErrOrStderr(), "no models in %s\n", store.Dir())
			} else {
				t := table{header: []string{"name", "size", "licence", "source", "modified"}, right: map[int]bool{1: true}}
				for _, e := range entries {
					t.add(e.Name, bytesText(e.Size), e.Licence, e.Source, e.Modified.Local().Format("2006-01-02 15:04"))
				}
				if err := t.plain(cmd.OutOrStdout()); err != nil {
					return err
				}
			}
			here := map[string]bool{}
			for _, e := range entries {
				here[e.Name] = true
			}
			for _, m := range hub.Catalogue() {
				if !here[m.Name] {
					fmt.Fprintf(cmd.ErrOrStderr(), "pith pull %-12s  %s, %s, %s\n", m.Name, m.Title, bytesText(m.Size), m.Licence)
				}
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "machine-readable output")
	return cmd
}
