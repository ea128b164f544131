package providertest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/keyferry/keyferry/broker"
)

func capabilityChecks() []check {
	return []check{
		{name: "capabilities are whole", run: capabilities},
		{name: "a consumer name follows the rule it states", run: nameRule},
		{name: "identify names the account", needs: []Need{NeedIdentity}, run: identity},
	}
}

func capabilities(_ context.Context, h *harness) error {
	c := h.caps()
	switch {
	case c.Provider == "" || c.Service == "":
		return fmt.Errorf("provider %q of service %q", c.Provider, c.Service)
	case c.Settle <= 0 || c.Poll <= 0 || c.Poll > c.Settle:
		return fmt.Errorf("settle %s, poll %s", c.Settle, c.Poll)
	case c.Deletion.Min > c.Deletion.Default || c.Deletion.Default > c.Deletion.Max:
		return fmt.Errorf("deletion windows %+v", c.Deletion)
	}
	if err := consistent(c); err != nil {
		return err
	}
	for _, s := range broker.KeySpecs() {
		if err := wholeSpec(c, s); err != nil {
			return fmt.Errorf("%s: %w", s, err)
		}
	}
	return nil
}

// consistent refuses capabilities that cannot be at once.
func consistent(c broker.Capabilities) error {
	_, nameErr := regexp.Compile(c.Tags.Name)
	_, valueErr := regexp.Compile(c.Tags.Value)
	switch {
	case c.ImportMakesKey && !c.NamesKeys:
		return errors.New("where is a key before its first import, without a name of ours")
	case c.ImportMarks && c.ImportLists:
		return errors.New("a lost import is found by its mark, or in a list: not both")
	case c.NamesKeys && !strings.Contains(c.Consumer, "{name}"):
		return fmt.Errorf("keys have names of ours, and %q has no place for one", c.Consumer)
	case (c.ValidTo.Moves || c.ValidTo.From) && !c.ValidTo.Native:
		return fmt.Errorf("an end that is not the provider's own cannot be moved: %+v", c.ValidTo)
	case c.Tags.Words == "" && !reflect.DeepEqual(c.Tags, broker.TagRule{}), nameErr != nil, valueErr != nil:
		return fmt.Errorf("tag rule %+v", c.Tags)
	default:
		return nil
	}
}

func wholeSpec(caps broker.Capabilities, s broker.KeySpec) error {
	c := caps.Specs[s]
	if len(c.Mechanisms) == 0 {
		if c.Unsupported == "" || len(c.Purposes) > 0 {
			return errors.New("not taken, and no reason why")
		}
		return nil
	}
	if len(c.Purposes) == 0 {
		return errors.New("no purposes")
	}
	for _, p := range c.Purposes {
		if err := wholePurpose(c, p); err != nil {
			return fmt.Errorf("for %s: %w", p, err)
		}
	}
	for p := range c.Algorithms {
		if !slices.Contains(c.Purposes, p) {
			return fmt.Errorf("algorithms for %s, which is not taken", p)
		}
	}
	switch {
	case s.Class() == broker.ClassRSA && c.Mechanisms[0].Direct():
		return errors.New("an RSA key does not fit under OAEP")
	case !c.ImportRepeats && !caps.ImportMarks && !caps.ImportLists:
		return errors.New("an import whose answer was lost can be neither repeated nor found")
	default:
		return nil
	}
}

func wholePurpose(c broker.SpecCapability, p broker.Purpose) error {
	given := c.Given[p]
	known := []broker.Given{broker.GivenName, broker.GivenPrimary, broker.GivenVersion, broker.GivenNewest}
	switch {
	case c.Proof[p] == "":
		return errors.New("no proof")
	case !slices.Contains(known, given):
		return fmt.Errorf("consumers are given %q", given)
	case slices.Contains(c.Algorithms[p], ""):
		return errors.New("an algorithm without a word")
	case (given == broker.GivenPrimary || given == broker.GivenNewest) && !c.SecondVersion:
		return fmt.Errorf("consumers are given the %s version of keys that hold one", given)
	default:
		return nil
	}
}

func nameRule(ctx context.Context, h *harness) error {
	rule := h.caps().Names
	if _, err := regexp.Compile(rule.Pattern); err != nil || rule.Words == "" {
		return fmt.Errorf("rule %+v: %w", rule, err)
	}
	if name := h.nameOf("payments-db-1"); !rule.Allows(name) {
		return fmt.Errorf("%q is not allowed", name)
	}
	for _, name := range []string{"", "../x", "schlüssel", strings.Repeat("x", 300), "a b", "a\nb"} {
		if rule.Allows(h.nameOf(name)) && name != "" || rule.Allows(name) {
			return fmt.Errorf("%q is allowed", name)
		}
	}
	return h.reservedNames(ctx)
}

// reservedNames: a name that is kept for something else is refused, in any case.
func (h *harness) reservedNames(ctx context.Context) error {
	for _, own := range h.caps().Names.Reserved {
		for _, name := range []string{own, strings.ToUpper(own)} {
			in := h.simple()
			in.RemoteName = name
			_, err := h.Provider.Prepare(ctx, h.effect(broker.StepPrepare), in)
			if err := is(err, broker.Misuse, broker.Rejected); err != nil || h.caps().Names.Allows(name) {
				return fmt.Errorf("%q is not refused: %w", name, err)
			}
		}
	}
	return nil
}

func (h *harness) nameOf(name string) string {
	return strings.ReplaceAll(h.caps().Consumer, "{name}", name)
}

func identity(ctx context.Context, h *harness) error {
	id, err := h.Provider.(broker.Identifier).Identify(ctx)
	switch {
	case err != nil:
		return err
	case id.Account != h.Account || id.Principal == "":
		return fmt.Errorf("account %q, principal %q", id.Account, id.Principal)
	case id.Receipt.RequestID == "" || id.Receipt.Call == "":
		return fmt.Errorf("receipt %+v", id.Receipt)
	}
	return nil
}
