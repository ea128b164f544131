package broker

import (
	"errors"
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
	if policy.WrapWithTrusted && !caps.WrappingKeysLast {
		return Plan{}, &Error{
			Kind: Unsupported, Op: "wrap " + string(spec), Object: "for " + caps.Service,
			Cause: errors.New("under wrap_with_trusted: its wrapping key is new at each import, so that nobody could mark it before"),
			Hint:  "use a target whose wrapping keys last, or a policy without wrap_with_trusted",
		}
	}
	var refused refusals
	for _, m := range offered.Mechanisms {
		plan, why := usable(spec, m, plans, policy)
		if why == "" {
			return plan, nil
		}
		refused.add(m, why)
	}
	return Plan{}, &Error{
		Kind: Unsupported, Op: "wrap " + string(spec), Object: "for " + caps.Service, Cause: refused,
		Hint: "keyferry doctor shows what this token can wrap; another token, or another key spec, may do",
	}
}

// refusals say why each mechanism may not be used, those with one reason together.
type refusals []refusal

type refusal struct {
	mechanisms []Mechanism
	why        string
}

func (r *refusals) add(m Mechanism, why string) {
	for i := range *r {
		if (*r)[i].why == why {
			(*r)[i].mechanisms = append((*r)[i].mechanisms, m)
			return
		}
	}
	*r = append(*r, refusal{[]Mechanism{m}, why})
}

// Error is every reason, the nearest first.
func (r refusals) Error() string {
	words := []string{r.nearest()}
	for _, f := range r {
		if f.String() != words[0] {
			words = append(words, f.String())
		}
	}
	return strings.Join(words, "; ")
}

// String is one reason with what it holds for.
func (f refusal) String() string { return joinWords(f.mechanisms) + ": " + f.why }

// nearest is the reason that is easiest to do something about: what is only not to
// the letter of its standard, else the first.
func (r refusals) nearest() string {
	for _, f := range r {
		if strings.HasPrefix(f.why, nonconformingReason) {
			return f.String()
		}
	}
	return r[0].String()
}

const nonconformingReason = "nonconforming: "

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
			why = nonconformingReason + p.Reason + " (allow_nonconforming: true in the policy tries it)"
		case policy.WrapWithTrusted && p.Way == TwoStep:
			why = "under wrap_with_trusted: the token wraps in two steps, under a key that it makes for this, and that nobody could mark"
		case policy.WrapWithTrusted && !p.Trusts:
			why = "under wrap_with_trusted: " + first(p.Distrust, "the token was not tried with it")
		default:
			return p, ""
		}
	}
	return Plan{}, why
}
