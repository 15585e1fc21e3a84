package kvcache

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// allStorages are uniform storages of every format and a few mixed ones.
var allStorages = []Storage{
	Uniform(F32), Uniform(F16), Uniform(BF16), Uniform(Q8), Uniform(Q4), Uniform(Q3), Uniform(Q2),
	{Q8, Q4}, {Q4, Q8}, {F16, Q2}, {Q4, Q2}, {F32, Q8},
}

func normal(r *rand.Rand, n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	return x
}

func count(n int) []Position {
	pos := make([]Position, n)
	for i := range pos {
		pos[i] = Position(3 * i)
	}
	return pos
}

func oneLane(t testing.TB, pool *Pool, d int, st Storage, columns ...Column) *Lane {
	t.Helper()
	c := pool.NewCache(Shape{1, 1, d}, st, columns...)
	t.Cleanup(c.Free)
	return c.Lane(0, 0)
}

// dense is attention in float64 over what a lane decodes to.
func dense(q, k, v []float32, pos []Position, g, d int, query *Query) (out, mass []float64) {
	n := len(pos)
	out, mass = make([]float64, g*d), make([]float64, n)
	for h := range g {
		s := make([]float64, n)
		top := math.Inf(-1)
		for i := range n {
			if pos[i] < query.Lo && pos[i] >= query.Sinks {
				s[i] = math.Inf(-1)
				continue
			}
			for c := range d {
				s[i] += float64(q[h*d+c]) * float64(k[i*d+c])
			}
			s[i] *= float64(query.Scale)
			if query.SoftCap > 0 {
				s[i] = float64(query.SoftCap) * math.Tanh(s[i]/float64(query.SoftCap))
			}
			top = max(top, s[i])
		}
		if math.IsInf(top, -1) {
			continue
		}
		sum := 0.0
		for i := range s {
			s[i] = math.Exp(s[i] - top)
			sum += s[i]
		}
		for i := range s {
			mass[i] += s[i] / sum
			for c := range d {
				out[h*d+c] += s[i] / sum * float64(v[i*d+c])
			}
		}
	}
	return out, mass
}

// Threads take whole pieces: no piece is more than a group longer than the mean.
func TestPiecesAreEvenAndAsFewAsTheirLengthAllows(t *testing.T) {
	for n := 1; n < 5000; n++ {
		step := pieceStep(n)
		pieces := (n + step - 1) / step
		if step > PieceSlots || pieces > (n+PieceSlots-1)/PieceSlots {
			t.Fatalf("%d places: %d pieces of %d", n, pieces, step)
		}
		if fewest := (n + PieceSlots - 1) / PieceSlots; step-n/fewest > blockTokens {
			t.Fatalf("%d places: pieces of %d, the mean of %d is %d", n, step, fewest, n/fewest)
		}
	}
}

func TestAttendEqualsDenseSoftmax(t *testing.T) {
	for _, st := range allStorages {
		for _, d := range []int{32, 64, 80, 128} {
			for _, n := range []int{0, 1, 5, 64, 100, 511, 513, 1100} {
				g := 1 + n%3
				t.Run(fmt.Sprint(st, "/", d, "/", n), func(t *testing.T) {
					r := rand.New(rand.NewPCG(1, uint64(n)))
					pool := NewPool(PageBytes(d, st), 0)
					l := oneLane(t, pool, d, st)
					k, v, q := normal(r, n*d), normal(r, n*d), normal(r, g*d)
					head := n * 3 / 4
					pos := count(n)
					if err := l.Append(pos[:head], k[:head*d], v[:head*d]); err != nil {
						t.Fatal(err)
					}
					for i := head; i < n; i++ {
						if err := l.AppendOne(pos[i], k[i*d:(i+1)*d], v[i*d:(i+1)*d]); err != nil {
							t.Fatal(err)
						}
					}
					gk, gv, gp := make([]float32, n*d), make([]float32, n*d), make([]Position, n)
					l.Gather(gk, gv, gp)
					if !slices.Equal(gp, pos) {
						t.Fatal("positions differ")
					}
					for _, query := range []Query{
						{Scale: 1 / float32(math.Sqrt(float64(d)))},
						{Scale: 0.2, SoftCap: 3},
						{Scale: 0.2, Lo: Position(3 * n / 2), Sinks: 10},
						{Scale: 0.2, SoftCap: 3, Lo: Position(3 * n), Sinks: 0},
					} {
						query.Q, query.Group = q, g
						var s AttendScratch
						out, mass := make([]float32, g*d), make([]float32, n)
						l.AttendQuery(out, &query, &s, mass)
						want, wantMass := dense(q, gk, gv, gp, g, d, &query)
						for i := range out {
							if math.Abs(float64(out[i])-want[i]) > 3e-4 {
								t.Fatalf("%+v: channel %d: %g, want %g", query.Lo, i, out[i], want[i])
							}
						}
						for i := range mass {
							if math.Abs(float64(mass[i])-wantMass[i]) > 1e-4 {
								t.Fatalf("slot %d: mass %g, want %g", i, mass[i], wantMass[i])
							}
						}
						again := make([]float32, g*d)
						l.AttendQuery(again, &query, &s, nil)
						if !slices.Equal(out, again) {
							t.Fatal("asking for the mass changes the result")
						}
						var total Partial
						total.Reset(g, d)
						for i := range l.Pieces(&query) {
							var part Partial
							l.AttendPiece(&part, i, &query, &AttendScratch{}, nil)
							total.Fold(&part)
						}
						if !slices.Equal(out, total.Acc) {
							t.Fatal("the pieces fold to other bits")
						}
					}
				})
			}
		}
	}
}
