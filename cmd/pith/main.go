// Command pith runs long-context language models and keeps only the part of the KV cache that matters.
//
// One file holds one verb: flags in, calls out. Results go to standard output, progress and logs to standard error. Exit status:
// 0 success, 1 failure, 2 wrong usage, 130 interrupted.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"pith/kernel"
	_ "pith/method" // registers the compression methods
)

// Exit statuses.
const (
	exitFailure     = 1
	exitUsage       = 2
	exitInterrupted = 130
)

func main() { os.Exit(run(os.Args[1:])) }

// run executes one command line and returns the exit status. The first signal cancels the command, which frees what it holds; a
// second one ends the process at once.
func run(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)
	root := newRoot()
	root.SetArgs(args)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return 0
	}
	var usage *usageError
	switch {
	case ctx.Err() != nil:
		return exitInterrupted
	case errors.As(err, &usage):
		fmt.Fprintf(os.Stderr, "%s: %v\nSee '%s --help'.\n", cmd.CommandPath(), err, cmd.CommandPath())
		return exitUsage
	default:
		fmt.Fprintf(os.Stderr, "%s: %v\n", cmd.CommandPath(), err)
		return exitFailure
	}
}

// newRoot builds the command tree.
func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "pith",
		Short: "Run long-context language models and keep only the part of the KV cache that matters",
		Long: `pith runs GGUF language models on ordinary machines, compresses their KV cache by the method of your choice, and serves
them to OpenAI clients.

MODEL is a path to a .gguf file, a name that 'pith list' shows, or hf.co/user/repo:quant.`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usagef("there is no verb %q", args[0])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		// Whatever the verb: who names a tier in PITH_CPU that this processor lacks must not get results of another one.
		PersistentPreRunE: func(*cobra.Command, []string) error {
			if err := kernel.Check(); err != nil {
				return &usageError{err}
			}
			return nil
		},
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &usageError{err} })
	root.AddCommand(newPull(), newList(), newShow(), newRun(), newServe(), newBench(), newCalibrate(), newEval(), newCertify(), newMethods(), newInspect())
	return root
}

// usageError is a command line that makes no sense: exit status 2.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

func usagef(format string, a ...any) error { return &usageError{fmt.Errorf(format, a...)} }

// wants checks the number of arguments against the names in a verb's use line: "MODEL" is required, "[PROMPT]" is not, "MODEL..." may
// be repeated.
func wants(names ...string) cobra.PositionalArgs {
	least, most := 0, 0
	for _, n := range names {
		if !strings.HasPrefix(n, "[") {
			least++
		}
		if most++; strings.HasSuffix(strings.TrimSuffix(n, "]"), "...") {
			most = 1 << 20
		}
	}
	return func(_ *cobra.Command, args []string) error {
		if len(args) < least {
			return usagef("%s is missing", names[len(args)])
		}
		if len(args) > most {
			return usagef("%q is one argument too many; the arguments are %q", args[most], strings.Join(names, " "))
		}
		return nil
	}
}
