package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"pith/eval"
	"pith/policy"
	"pith/server"
)

// gating holds the flags by which a server refuses recipes that nobody has measured on its model, or that did badly.
type gating struct {
	certified bool
	floors    eval.Floors
}

// floorFlags are the names of the flags that set a floor.
var floorFlags = []string{"max-kl", "min-top1", "min-needle", "min-ruler"}

func (g *gating) register(cmd *cobra.Command) {
	f := cmd.Flags()
	f.BoolVar(&g.certified, "certified", false, "refuse recipes without a certificate that reached its floors (pith certify)")
	f.Float64Var(&g.floors.MaxKL, "max-kl", 0, "refuse recipes whose certificate has a larger mean KL from the full cache")
	f.Float64Var(&g.floors.Top1, "min-top1", 0, "refuse recipes whose certificate has a lower top-1 agreement")
	f.Float64Var(&g.floors.Needle, "min-needle", 0, "refuse recipes that find a lower share of the numbers that the full cache finds")
	f.Float64Var(&g.floors.RULER, "min-ruler", 0, "refuse recipes with a lower share of the full cache's RULER score")
}

// floorsGiven makes a certificate necessary where there is a floor.
func (g *gating) floorsGiven(cmd *cobra.Command) {
	for _, name := range floorFlags {
		g.certified = g.certified || cmd.Flags().Changed(name)
	}
}

// attach reads the certificates beside a model, tells which there are, and lets the server ask for them. The server's own recipe must
// be certified too.
func (g *gating) attach(out io.Writer, m *server.Model, c *computing, recipe *policy.Recipe, budget policy.Budget) error {
	list, err := eval.ReadCertificates(eval.CertificatesPath(m.Engine.File().Path()))
	if err != nil {
		return err
	}
	if len(list) == 0 && !g.certified {
		return nil
	}
	origin, err := originOf(m.Engine, c) // reads the whole file once, for its digest
	if err != nil {
		return err
	}
	valid := []eval.Certificate{}
	for _, one := range list {
		if one.Digest == origin.Digest && one.Arithmetic == origin.Arithmetic {
			valid = append(valid, one)
			fmt.Fprintf(out, "%s: certificate of %s\n", m.ID, one.Line())
		}
	}
	if len(valid) > 0 {
		m.Certificates = valid
	}
	if !g.certified {
		return nil
	}
	gate := &eval.Gate{Certificates: valid, Digest: origin.Digest, Arithmetic: origin.Arithmetic, Floors: g.floors}
	if err := gate.Check(recipe, budget); err != nil {
		return fmt.Errorf("%s: %w", m.ID, err)
	}
	m.Certified = gate.Check
	return nil
}
