package text

import (
	"strings"
	"testing"
)

func TestBookIsProse(t *testing.T) {
	book := Opticks()
	if !strings.HasPrefix(book, "My Design in this Book") || len(book) < 400_000 {
		t.Fatalf("the book has %d bytes and begins %.40q", len(book), book)
	}
	for _, bad := range []string{"_", "[Illustration", "\r", "  "} {
		if strings.Contains(book, bad) {
			t.Errorf("the book contains %q", bad)
		}
	}
	if n := len(Words()); n < 2000 {
		t.Errorf("%d words", n)
	}
}
