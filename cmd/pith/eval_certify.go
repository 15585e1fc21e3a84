package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"pith/eval"
)

// certifyOptions are the flags of `pith certify`.
type certifyOptions struct {
	computing
	kv, keep string
	length   int
	seed     uint64
	out      string
	asJSON   bool
	list     bool
	floors   eval.Floors
}

func newCertify() *cobra.Command {
	o := certifyOptions{floors: eval.Floors{MaxKL: 0.2, Top1: 0.85, Needle: 0.9, RULER: 0.9}}
	cmd := &cobra.Command{
		Use:   "certify MODEL --kv SPEC [--keep SHARE]",
		Short: "Measure a recipe on a model and keep the result beside it",
		Long: `Measures what a recipe at a budget costs and saves on one model: distance from the full cache on three windows of a book, numbers found
that are hidden in it, three of RULER's tasks, bytes and times; the question is always hidden from the recipe. The certificate says
whether it reaches the floors and is stored beside the model, as MODEL.certificates.json. The exit status is 1 if a floor is missed.`,
		Args: wants("MODEL"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.list {
				return o.show(cmd, args[0])
			}
			return o.run(cmd, args[0])
		},
		ValidArgsFunction: completeModels,
	}
	f := cmd.Flags()
	f.StringVar(&o.kv, "kv", "", "recipe to certify")
	f.StringVar(&o.keep, "keep", "", "share that it keeps (default: 25% where it evicts)")
	f.IntVar(&o.length, "length", 4096, "tokens of the contexts")
	f.Uint64Var(&o.seed, "seed", 1, "seed of the generated samples")
	f.StringVarP(&o.out, "out", "o", "", "file for the certificate (default: beside the model)")
	f.BoolVar(&o.asJSON, "json", false, "machine-readable output")
	f.BoolVar(&o.list, "list", false, "show the certificates that are there")
	f.Float64Var(&o.floors.MaxKL, "max-kl", o.floors.MaxKL, "largest mean KL from the full cache; 0: any")
	f.Float64Var(&o.floors.Top1, "min-top1", o.floors.Top1, "least top-1 agreement with the full cache")
	f.Float64Var(&o.floors.Needle, "min-needle", o.floors.Needle, "least share of the numbers that the full cache finds")
	f.Float64Var(&o.floors.RULER, "min-ruler", o.floors.RULER, "least share of the full cache's RULER score")
	o.computing.register(cmd)
	return cmd
}

func (o *certifyOptions) run(cmd *cobra.Command, name string) error {
	if o.kv == "" {
		return usagef("--kv SPEC is missing: which recipe is to be certified?")
	}
	if _, _, err := parseCaching(o.kv, o.keep, ""); err != nil {
		return err
	}
	var keeps []string
	if o.keep != "" {
		keeps = []string{o.keep}
	}
	cases, err := eval.Cases([]string{o.kv}, keeps, "")
	if err != nil {
		return &usageError{err}
	}
	if err := o.check(); err != nil {
		return err
	}
	if o.length < 256 {
		return usagef("--length %d; want at least 256 tokens", o.length)
	}
	e, err := openEngine(cmd.Context(), name, &o.computing, pullIfMissing)
	if err != nil {
		return err
	}
	defer e.Close()
	origin, err := originOf(e, &o.computing)
	if err != nil {
		return err
	}
	path := o.out
	if path == "" {
		path = eval.CertificatesPath(e.File().Path())
	}
	if _, err := eval.ReadCertificates(path); err != nil { // better now than after the work
		return err
	}
	meter := startResidentMeter()
	defer meter.Close()
	progress := newEvalProgress(cmd.ErrOrStderr())
	r := eval.Runner{Engine: e, Origin: origin, Progress: progress.update, Peak: func() *eval.Resident {
		p := meter.Peak()
		meter.reset()
		if p == nil {
			return nil
		}
		return &eval.Resident{Anonymous: p.Anonymous, File: p.File}
	}}
	c, err := eval.Certify(cmd.Context(), r, cases[0], o.length, o.seed, o.floors)
	progress.clear()
	if err != nil {
		return err
	}
	if err := eval.StoreCertificate(path, c); err != nil {
		return err
	}
	if o.asJSON {
		err = writeJSON(cmd.OutOrStdout(), c)
	} else {
		err = printCertificate(cmd.OutOrStdout(), c)
	}
	if err == nil && !c.Passed {
		err = fmt.Errorf("%s at %s misses its floors: %s", c.KV, c.Keep, strings.Join(c.Failures, "; "))
	}
	return err
}

// show prints the certificates beside a model.
func (o *certifyOptions) show(cmd *cobra.Command, name string) error {
	path := o.out
	if path == "" {
		model, err := locate(cmd.Context(), name, mustBeHere)
		if err != nil {
			return err
		}
		path = eval.CertificatesPath(model)
	}
	list, err := eval.ReadCertificates(path)
	if err != nil {
		return err
	}
	if o.asJSON {
		if list == nil {
			list = []eval.Certificate{}
		}
		return writeJSON(cmd.OutOrStdout(), list)
	}
	if len(list) == 0 {
		fmt.Fprintf(os.Stderr, "no certificates in %s\n", path)
		return nil
	}
	for i := range list {
		if err := printCertificate(cmd.OutOrStdout(), &list[i]); err != nil {
			return err
		}
	}
	return nil
}

func printCertificate(w io.Writer, c *eval.Certificate) error {
	verdict := "passed"
	if !c.Passed {
		verdict = "missed: " + strings.Join(c.Failures, "; ")
	}
	_, err := fmt.Fprintf(w, `%s at %s on %s (%s arithmetic): %s
  KL from the full cache   %.4f (%.4f to %.4f), 99th percentile %.3f
  same first choice        %.1f%%
  numbers found            %.1f%% (full cache %.1f%%)
  RULER, three tasks       %.1f%% (full cache %.1f%%)
  cache                    %s of %s
  first token              %s (full cache %s)
  tokens per second        %.1f (full cache %.1f)
  %s
`, c.KV, orAll(c.Keep), c.Model, c.Arithmetic, verdict, c.KL.Mean, c.KL.Low, c.KL.High, c.KLP99, 100*c.Top1.Mean, 100*c.Needle.Mean, 100*c.FullFinds,
		100*c.RULER.Mean, 100*c.FullRULER, bytesText(c.KVBytes), bytesText(c.FullBytes), secondsText(c.First), secondsText(c.FullFirst), c.Speed, c.FullSpeed, c.Scope)
	return err
}

func orAll(keep string) string {
	if keep == "" {
		return "100%"
	}
	return keep
}
