package broker

import (
	"fmt"
	"slices"
	"strings"
)

// choose finds the plan for one key spec at one target: the first of the
// target's mechanisms, in its order of preference, that the policy allows and
// the token can perform. It is a pure decision; Unsupported says, mechanism by
// mechanism, why there is none.
func choose(spec KeySpec, caps Capabilities, plans []Plan, policy Policy) (Plan, error) {
	offered := caps.Specs[spec]
	if len(offered.Mechanisms) == 0 {
		why := offered.Unsupported
		if why == "" {
			why = "not a key spec it takes"
		}
		return Plan{}, &Error{
			Kind: Unsupported, Op: "import " + string(spec), Object: "into " + caps.Service,
			Cause: fmt.Errorf("%s", why), Hint: "keyferry doctor shows what goes where",
		}
	}
	var reasons []string
	for _, m := range offered.Mechanisms {
		plan, why := usable(spec, m, plans, policy)
		if why == "" {
			return plan, nil
		}
		reasons = append(reasons, fmt.Sprintf("%s: %s", m, why))
	}
	return Plan{}, &Error{
		Kind: Unsupported, Op: "wrap " + string(spec), Object: "for " + caps.Service,
		Cause: fmt.Errorf("%s", strings.Join(reasons, "; ")),
		Hint:  "keyferry doctor shows what this token can wrap; another token, or another key spec, may do",
	}
}

// usable returns the token's plan for a mechanism, or why it may not be used.
func usable(spec KeySpec, m Mechanism, plans []Plan, policy Policy) (plan Plan, why string) {
	if len(policy.Mechanisms) > 0 && !slices.Contains(policy.Mechanisms, m) {
		return Plan{}, "the policy does not allow it"
	}
	why = "the token does not offer it"
	for _, p := range plans {
		switch {
		case p.Spec != spec || p.Mechanism != m:
		case !p.Works:
			why = "the token cannot: " + p.Reason
		case !p.Conforming && !policy.AllowNonconforming:
			why = "nonconforming: " + p.Reason + " (allow_nonconforming: true in the policy tries it)"
		default:
			return p, ""
		}
	}
	return Plan{}, why
}
