package broker

import (
	"fmt"
	"time"
)

// windowOf is the waiting period to ask for when a placement's key is deleted: the one
// that was asked, else the policy's, the target's or the provider's; 0 where none is
// chosen then.
func (t Target) windowOf(p Placement, asked time.Duration) time.Duration {
	rule := t.Provider.Capabilities().Deletion
	if rule.Chosen != ChosenAtDeletion {
		return 0
	}
	return first(asked, p.Terms.Window, t.Window, rule.Default)
}

// windowFits refuses a waiting period that a placement's key cannot have when its import
// is taken back. It is asked of every placement before anything is taken back at one.
func (o Operation) windowFits(t Target, p Placement, asked time.Duration) error {
	caps := t.Provider.Capabilities()
	rule, why, hint := caps.Deletion, "", "leave --window out"
	fixed := first(p.Terms.Window, rule.Default)
	switch {
	case o.Kind != OpImport || p.Step == PlacementAbandoned:
	case rule.Chosen == ChosenAtDeletion:
		if why = rule.refuses(t.windowOf(p, asked)); why != "" {
			why, hint = fmt.Sprintf("a waiting period of %s, which %s takes", why, caps.Service), "give another --window"
		}
	case asked == 0:
	case rule.Chosen == ChosenNever:
		why = "how long a deleted key waits is the place's own there, and cannot be chosen"
	case asked != fixed:
		why = fmt.Sprintf("the key's waiting period is %s, fixed when it was made, and cannot be %s", span(fixed), span(asked))
	}
	if why == "" {
		return nil
	}
	return &Error{
		Kind: Misuse, Op: "abort operation " + o.ID, Object: "at target " + t.Name, Cause: fmt.Errorf("%s", why), Hint: hint,
	}
}
