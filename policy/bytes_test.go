package policy

import "testing"

// stepRuler is a pool of pages of 100 bytes; an entry takes 7 bytes.
func stepRuler(limit int64) *Ruler {
	return &Ruler{Limit: limit, Page: 100, Bytes: func(n int) int64 { return int64((n*7+99)/100) * 100 }}
}

func TestFillUsesEveryPageInProportion(t *testing.T) {
	for _, wanted := range [][]float64{{100, 100, 100, 100}, {4, 4, 4, 388}, {0, 50, 150, 200}} {
		r := stepRuler(2800)
		limit := []int{1000, 1000, 1000, 1000}
		counts := r.fill(wanted, limit, 28)
		var bytes int64
		for i, n := range counts {
			bytes += r.Bytes(n)
			if n < 14 || r.Bytes(n+1) == r.Bytes(n) {
				t.Errorf("wanted %v: lane %d has %d entries and an unfilled page", wanted, i, n)
			}
			if i > 0 && wanted[i] >= wanted[i-1] && n < counts[i-1] {
				t.Errorf("wanted %v: lane %d gets %d, the one before %d", wanted, i, n, counts[i-1])
			}
		}
		if bytes != 2800 {
			t.Errorf("wanted %v: %d bytes of 2800 used", wanted, bytes)
		}
	}
}

func TestFillStopsAtWhatALaneHolds(t *testing.T) {
	r := stepRuler(2000)
	counts := r.fill([]float64{200, 10, 10}, []int{50, 300, 300}, 20)
	if counts[0] != 50 || r.Bytes(counts[0])+r.Bytes(counts[1])+r.Bytes(counts[2]) != 2000 {
		t.Errorf("%v", counts)
	}
}

func TestEntriesNeverExceedTheLimit(t *testing.T) {
	for _, limit := range []int64{0, 100, 399, 400, 1234, 5600, 1 << 20} {
		r := stepRuler(limit)
		for _, even := range []bool{true, false} {
			n := r.Entries(4, 200, even)
			if n < 14 || n > 200 || n == 200 && 4*r.Bytes(200) > limit || even && n > 14 && 4*r.Bytes(n) > limit {
				t.Errorf("limit %d even %v: %d entries", limit, even, n)
			}
		}
	}
}

func TestSharesScale(t *testing.T) {
	for _, c := range []struct {
		share string
		want  int64
	}{{"10%", 1 << 36 / 10}, {"100%", 1 << 36}, {"0.0001%", 1 << 36 / 1_000_000}, {"512", 1 << 36 / 8}, {"9999", 1 << 36}} {
		s, err := ParseShare(c.share)
		if err != nil {
			t.Fatal(err)
		}
		if got := s.Scale(1<<36, 4096); got != c.want {
			t.Errorf("%s of %d is %d, want %d", c.share, 1<<36, got, c.want)
		}
	}
}
