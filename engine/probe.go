package engine

import (
	"fmt"

	"pith/kvcache"
	"pith/policy"
	"pith/tokenizer"
)

// secondPass sends the probe rows of scores that need them through the model, against everything that the first pass held. Targets
// with the same score share its passes.
type secondPass struct {
	p      *Prefill
	scores []*probedScore
	at     int      // score in progress
	probe  int      // pass in progress
	pass   *Prefill // of it, nil between two
}

// probedScore is one score and the targets that wait for it.
type probedScore struct {
	prober  policy.Prober
	targets []*target
	probes  []policy.Probe
	scores  [][][]float32 // [ordinal][KVHeads][n]
}

// probe is what makes a Prefill one pass of a second pass: it reads from full and stores nothing.
type probe struct {
	policy.Probe
	full  *kvcache.Cache
	score *probedScore
	n     int // tokens of the prompt
}

func (p *Prefill) newSecondPass() (*secondPass, error) {
	p.freeLayer() // a pass lays out layers of its own
	s := &secondPass{p: p}
	byKey := map[any]*probedScore{}
	prompt := p.options.Prompt
	prompt.Tokens = p.ids
	prompt.Encode = func(text string) ([]int32, error) { return p.e.tok.Encode(text, tokenizer.Options{Special: true}) }
	for _, t := range p.targets {
		prober := t.run.Recipe().Prober()
		if prober == nil {
			continue
		}
		key := t.run.Recipe().ProbeKey()
		score := byKey[key]
		if score == nil {
			probes, err := prober.Probes(prompt)
			if err != nil {
				return nil, err
			}
			score = &probedScore{prober: prober, probes: probes, scores: make([][][]float32, len(p.e.decided))}
			for l := range score.scores {
				score.scores[l] = make([][]float32, p.e.model.Config().KVHeads)
				for h := range score.scores[l] {
					score.scores[l][h] = make([]float32, p.total)
				}
			}
			byKey[key] = score
			s.scores = append(s.scores, score)
		}
		score.targets = append(score.targets, t)
	}
	return s, nil
}

// step advances by one (layer, chunk) step of one pass, or decides one score's targets.
func (s *secondPass) step() (done bool, err error) {
	score := s.scores[s.at]
	if s.pass == nil && s.probe < len(score.probes) {
		s.pass = s.p.newPass(score, score.probes[s.probe])
	}
	if s.pass != nil {
		if err := s.pass.step(); err != nil {
			return false, err
		}
		if s.pass.done {
			s.pass = nil
			s.probe++
		}
		return false, nil
	}
	for _, t := range score.targets {
		own := make([][][]float32, len(score.scores))
		for l := range own {
			own[l] = make([][]float32, len(score.scores[l]))
			for h := range own[l] {
				own[l][h] = append([]float32(nil), score.scores[l][h]...)
			}
		}
		plan, err := t.run.Probed(own)
		if err != nil {
			return false, err
		}
		if err := s.p.execute(t, plan); err != nil {
			return false, err
		}
	}
	s.at, s.probe = s.at+1, 0
	return s.at == len(s.scores), nil
}

// newPass is a prefill of the probe's rows after the prompt.
func (p *Prefill) newPass(score *probedScore, pr policy.Probe) *Prefill {
	pass := &Prefill{e: p.e, ids: pr.Tokens, n: len(pr.Tokens), total: len(pr.Tokens), first: p.first + kvcache.Position(p.total),
		targets: []*target{{seq: p.targets[0].seq}}, Out: map[int][]float32{},
		probe: &probe{Probe: pr, full: p.full, score: score, n: p.total}}
	pass.tap.signals.Queries = true
	if w, ok := score.prober.(policy.ProbeWatcher); ok {
		pass.tap.signals = pass.tap.signals.Union(w.ProbeSignals())
	}
	return pass
}

// tap hands one finished layer of a pass to the score and takes over what it says. The pass has moved on to the next layer already.
func (pr *probe) tap(p *Prefill) error {
	c := p.e.model.Config()
	ordinal := p.tap.ordinal
	l := &policy.ProbeLayer{Probe: pr.Probe, Rows: p.n, QHeads: c.QHeads, KVHeads: c.KVHeads, HeadDim: c.HeadDim,
		Scale: p.tap.scale, SoftCap: p.tap.soft, Queries: p.tap.allQueries, Keys: make([][]float32, c.KVHeads), Tokens: pr.n,
		Parallel: p.e.parallel}
	for h := range l.Keys {
		l.Keys[h] = p.keys[h][:(p.prefix[h]+p.n)*c.HeadDim]
	}
	if p.tap.signals.Hidden {
		l.Hidden = p.tap.hidden
	}
	if p.tap.signals.OutputNorms {
		layer := p.layer - 1
		l.OutputNorms = func() [][]float32 {
			norms := make([][]float32, c.QHeads)
			for q := range norms {
				norms[q] = make([]float32, pr.To-pr.From)
			}
			g := c.QHeads / c.KVHeads
			for h := range c.KVHeads {
				p.e.model.OutputNorms(norms[h*g:(h+1)*g], layer, h, p.values[h][pr.From*c.HeadDim:pr.To*c.HeadDim])
			}
			return norms
		}
	}
	got, err := pr.score.prober.Tap(l)
	if err != nil {
		return err
	}
	for h, values := range got {
		if len(values) != pr.To-pr.From {
			return fmt.Errorf("engine: probe: layer %d head %d: %d scores for %d entries", p.layer-1, h, len(values), pr.To-pr.From)
		}
		dst := pr.score.scores[ordinal][h][pr.From:pr.To]
		for j, v := range values {
			dst[j] = max(dst[j], v)
		}
	}
	return nil
}

// holdAll keeps every entry of the current layer for second passes.
func (p *Prefill) holdAll() error {
	if p.full == nil {
		return nil
	}
	for h := range p.keys {
		d := p.e.model.Config().HeadDim
		if err := p.full.Lane(p.layer, h).Append(p.rows.Pos[:p.n], p.keys[h][:p.n*d], p.values[h][:p.n*d]); err != nil {
			return err
		}
	}
	return nil
}

// takeFromFull encodes the entries that one layer keeps, from where everything was held.
func (p *Prefill) takeFromFull(t *target, k policy.LayerKeep) error {
	from := func(head int, entries []int32) kept { return gather(p.full.Lane(k.Layer, head), entries) }
	if k.Fit != nil {
		return p.storeFitted(t.seq, k, from)
	}
	for h, entries := range k.Heads {
		f := from(h, entries)
		if err := t.seq.cache.Lane(k.Layer, h).Append(f.pos, f.keys, f.values); err != nil {
			return err
		}
	}
	return nil
}
