package broker

import (
	"errors"
	"fmt"
	"slices"
)

// fits refuses what a target will never take, before anything happens: an import, its
// dry run and doctor ask the same.
func (w *want) fits(t Target) error {
	caps := t.Provider.Capabilities()
	name := t.nameOf(w.name)
	switch why := caps.Tags.Refuses(w.tags); {
	case caps.Names.reserves(name):
		return &Error{
			Kind: Misuse, Op: "import " + w.name, Object: "at target " + t.Name,
			Cause: fmt.Errorf("%s is the name of something else at %s", name, caps.Service), Hint: "import under another name",
		}
	case !caps.Names.Allows(name):
		return misuse("import "+w.name, fmt.Sprintf("%s does not allow the name %.100q: %s", caps.Service, name, caps.Names.Words))
	case why != "":
		return &Error{
			Kind: Misuse, Op: "import " + w.name, Object: "at target " + t.Name,
			Cause: fmt.Errorf("%s does not allow these tags: %s", caps.Service, why), Hint: "give other tags; allowed: " + caps.Tags.Words,
		}
	}
	return t.takes(w.spec, w.purpose, w.policy)
}

// takes refuses a key spec and purpose under a policy, whatever the key is called. That
// the target takes the spec at all is for choose to say.
func (t Target) takes(spec KeySpec, purpose Purpose, policy Policy) error {
	caps := t.Provider.Capabilities()
	refuse := func(kind Kind, cause error, hint string) error {
		return &Error{Kind: kind, Op: "import " + string(spec), Object: "at target " + t.Name, Cause: cause, Hint: hint}
	}
	offered := caps.Specs[spec]
	switch {
	case t.WrappingKey.Attestation:
		return refuse(Unsupported, errors.New("its config demands that a wrapping key's attestation is checked, which is not possible yet"),
			"attestations are stored and shown as unchecked where it does not demand that")
	case caps.SoftwareProtected && !policy.AllowSoftware:
		return refuse(Denied, errors.New("keys are kept in software there"), "use a target that keeps them in an HSM, or say allow_software: true in the policy")
	case len(offered.Mechanisms) == 0:
		return nil
	case !slices.Contains(offered.Purposes, purpose):
		return refuse(Unsupported, fmt.Errorf("%s takes the purposes %s there, not %s", caps.Service, joinWords(offered.Purposes), purpose), "")
	}
	if why := caps.refusesAlgorithm(spec, purpose, policy.Algorithms[caps.Provider]); why != "" {
		return refuse(Unsupported, errors.New(why), fmt.Sprintf("change or leave out %s under algorithms in policy %s", caps.Provider, policy.Name))
	}
	window := first(policy.Window, t.Window)
	if why := caps.Deletion.refuses(window); window != 0 && why != "" && caps.Deletion.Chosen != ChosenNever {
		return refuse(Misuse, fmt.Errorf("deletion_window %s, which %s takes", why, caps.Service), "change deletion_window in the policy, or leave it out")
	}
	return nil
}

// refusesAlgorithm says why a key is not made to compute what a policy names in the
// provider's words; "" it is.
func (c Capabilities) refusesAlgorithm(spec KeySpec, purpose Purpose, word string) string {
	taken := c.Specs[spec].Algorithms[purpose]
	switch {
	case word == "" || slices.Contains(taken, word):
		return ""
	case c.NotUsed[word] != "":
		return fmt.Sprintf("algorithm %s is not used: %s", word, c.NotUsed[word])
	case len(taken) == 0:
		return fmt.Sprintf("what a key computes is its spec's at %s, and no algorithm like %.80q can be asked for", c.Service, word)
	default:
		return fmt.Sprintf("algorithm %.80q is not for %s for %s at %s, but %s", word, spec, purpose, c.Service, joinWords(taken))
	}
}
