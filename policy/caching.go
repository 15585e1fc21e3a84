package policy

import (
	"errors"
	"fmt"
)

// ParseCaching reads a recipe and its bounds as they are written on the command line and in requests; an empty string is one that was
// not given. A bound without a recipe means auto. The recipe is nil where nothing asks for one.
func ParseCaching(kv, keep, memory string) (r *Recipe, b Budget, err error) {
	if kv == "" && keep != "" {
		if Lookup("auto") == nil {
			return nil, b, fmt.Errorf("policy: keep %s needs a recipe, for example snapkv", keep)
		}
		kv = "auto"
	}
	if kv != "" {
		if r, err = Parse(kv); err != nil {
			return nil, b, err
		}
	}
	if keep != "" {
		if b.Keep, err = ParseShare(keep); err != nil {
			return nil, b, err
		}
		if !r.HasBudget() && b.Keep != Percent(100) {
			return nil, b, fmt.Errorf("policy: recipe %s keeps every entry; keep %s needs one that evicts, such as snapkv", r, keep)
		}
	}
	if memory != "" {
		if b.Bytes, err = ParseBytes(memory); err != nil {
			return nil, b, err
		}
		if b.Bytes == 0 {
			return nil, b, errors.New("policy: a cap of 0 bytes leaves no room for a cache")
		}
	}
	return r, b, nil
}

// A BudgetError refuses a budget that holds no recipe.
type BudgetError struct {
	Recipe  string
	Base    int // entries per head that were asked for
	Entries int // of the prompt
	Least   int // that the recipe needs
}

func (e *BudgetError) Error() string {
	return fmt.Sprintf("policy: %s: a budget of %d of %d entries per head; at least %d are needed", e.Recipe, e.Base, e.Entries, e.Least)
}
