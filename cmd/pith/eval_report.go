package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"pith/eval"
)

func newEvalReport() *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use:   "report DIR...",
		Short: "A page of results from rows",
		Long: `Reads the rows of one or more runs and writes report.html, one page that needs nothing else, and its plots as files into the directory
given by -o, by default the first one.`,
		Args: wants("DIR..."),
		RunE: func(cmd *cobra.Command, dirs []string) error {
			rows, notes, err := readRuns(dirs)
			if err != nil {
				return err
			}
			if out == "" {
				out = dirs[0]
			}
			if err := eval.WriteReport(out, rows, notes); err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s/report.html: %s rows\n", out, thousands(len(rows)))
			return err
		},
	}
	cmd.Flags().StringVarP(&out, "out", "o", "", "directory for the report")
	return cmd
}

func newEvalMerge() *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use:   "merge DIR... -o DIR",
		Short: "The rows of several runs in one directory",
		Long:  `Brings the rows of runs on several machines together; of equal measurements the first one stays. The directories are left as they are.`,
		Args:  wants("DIR..."),
		RunE: func(cmd *cobra.Command, dirs []string) error {
			if out == "" {
				return usagef("-o DIR is missing")
			}
			rows, notes, err := readRuns(dirs)
			if err != nil {
				return err
			}
			j, err := eval.OpenJournal(out)
			if err != nil {
				return err
			}
			defer j.Close()
			for _, n := range notes {
				if err := j.AddNote(n); err != nil {
					return err
				}
			}
			before := len(j.Rows())
			for _, r := range rows {
				if err := j.Append(r); err != nil {
					return err
				}
			}
			if err := eval.WriteReport(out, j.Rows(), notes); err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: %s rows, %s of them new\n", out, thousands(len(j.Rows())), thousands(len(j.Rows())-before))
			return err
		},
	}
	cmd.Flags().StringVarP(&out, "out", "o", "", "directory for the rows")
	return cmd
}

// readRuns reads rows and notes of several directories.
func readRuns(dirs []string) (rows []eval.Row, notes []eval.Note, err error) {
	runs := make([][]eval.Row, len(dirs))
	for i, dir := range dirs {
		if runs[i], err = eval.ReadRows(dir); err != nil {
			return nil, nil, err
		}
		n, err := eval.ReadNotes(dir)
		if err != nil {
			return nil, nil, err
		}
		notes = append(notes, n...)
	}
	return eval.Merge(runs...), notes, nil
}
