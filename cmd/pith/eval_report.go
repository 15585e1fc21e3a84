package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"pith/eval"
)

func newEvalReport() *cobra.Command {
	var out, document string
	cmd := &cobra.Command{
		Use:   "report DIR...",
		Short: "A page of results from rows",
		Long: `Reads the rows of one or more runs and writes report.html, one page that needs nothing else, and its plots as files into the directory
given by -o, by default the first one. With --markdown FILE it writes the tables of a Markdown document anew instead: what stands between
lines such as <!-- table: fidelity arithmetic=exact --> and <!-- /table -->.`,
		Args: wants("DIR..."),
		RunE: func(cmd *cobra.Command, dirs []string) error {
			rows, notes, err := readRuns(dirs)
			if err != nil {
				return err
			}
			if document != "" {
				return fillDocument(document, rows)
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
	cmd.Flags().StringVar(&document, "markdown", "", "Markdown document whose tables are written anew")
	return cmd
}

// fillDocument writes a document's tables; the file is replaced at once or left as it is.
func fillDocument(path string, rows []eval.Row) error {
	old, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	text, err := eval.FillTables(old, rows)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	part := path + ".part"
	if err := os.WriteFile(part, text, 0o644); err != nil {
		return err
	}
	return os.Rename(part, path)
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
