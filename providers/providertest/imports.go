package providertest

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"time"

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
	c := h.Provider.Capabilities()
	switch {
	case c.Provider == "" || c.Service == "":
		return fmt.Errorf("provider %q of service %q", c.Provider, c.Service)
	case c.Settle <= 0 || c.Poll <= 0 || c.Poll > c.Settle:
		return fmt.Errorf("settle %s, poll %s", c.Settle, c.Poll)
	case c.Deletion.Min > c.Deletion.Default || c.Deletion.Default > c.Deletion.Max:
		return fmt.Errorf("deletion windows %+v", c.Deletion)
	}
	for _, s := range broker.KeySpecs() {
		if err := wholeSpec(s, c.Specs[s]); err != nil {
			return fmt.Errorf("%s: %w", s, err)
		}
	}
	return nil
}

func wholeSpec(s broker.KeySpec, c broker.SpecCapability) error {
	if len(c.Mechanisms) == 0 {
		if c.Unsupported == "" || len(c.Purposes) > 0 {
			return fmt.Errorf("not taken, and no reason why")
		}
		return nil
	}
	if len(c.Purposes) == 0 {
		return fmt.Errorf("no purposes")
	}
	for _, p := range c.Purposes {
		if c.Proof[p] == "" {
			return fmt.Errorf("no proof for %s", p)
		}
	}
	if s.Class() == broker.ClassRSA && c.Mechanisms[0].Direct() {
		return fmt.Errorf("an RSA key does not fit under OAEP")
	}
	return nil
}

func nameRule(_ context.Context, h *harness) error {
	rule := h.Provider.Capabilities().Names
	if _, err := regexp.Compile(rule.Pattern); err != nil || rule.Words == "" {
		return fmt.Errorf("rule %+v: %w", rule, err)
	}
	if name := h.consumerOf("payments/db-1_x"); !rule.Allows(name) {
		return fmt.Errorf("%q is not allowed", name)
	}
	for _, name := range []string{"", "../x", "schlüssel", strings.Repeat("x", 300), "a b", "a\nb"} {
		if rule.Allows(h.consumerOf(name)) && name != "" || rule.Allows(name) {
			return fmt.Errorf("%q is allowed", name)
		}
	}
	return nil
}

func (h *harness) consumerOf(name string) string {
	return strings.ReplaceAll(h.Provider.Capabilities().Consumer, "{name}", name)
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

// importChecks are one for each key spec, purpose and mechanism there is, so that a
// target can deviate in one of them.
func importChecks() []check {
	checks := []check{
		{name: "what was prepared is found by its effect, once", run: foundByEffect},
		{name: "prepare twice is two keys, or finds the first", run: preparedTwice},
		{name: "the first material can be sent again", run: sentAgain},
		{name: "material is renewed under its version", run: renewed},
		{name: "deleted material comes back", run: comesBack},
		{name: "two keys never share an id", run: distinct},
		{name: "secret material comes back after it was deleted", run: secretComesBack},
	}
	for _, s := range broker.KeySpecs() {
		for _, p := range s.Purposes() {
			checks = append(checks, check{
				name: fmt.Sprintf("import and prove %s for %s", s, p),
				run:  func(ctx context.Context, h *harness) error { return h.importAndProve(ctx, s, p, "") },
			})
		}
		for _, m := range broker.Mechanisms() {
			checks = append(checks, check{
				name: fmt.Sprintf("import %s by %s", s, m),
				run:  func(ctx context.Context, h *harness) error { return h.importAndProve(ctx, s, s.Purposes()[0], m) },
			})
		}
	}
	return checks
}

// importAndProve imports by m, or the first mechanism, and compares both sides;
// what the target says that it does not take, it must refuse.
func (h *harness) importAndProve(ctx context.Context, s broker.KeySpec, p broker.Purpose, m broker.Mechanism) error {
	c := h.Provider.Capabilities().Specs[s]
	taken := h.Provider.Capabilities().Takes(s, p)
	if m == "" && taken {
		m = c.Mechanisms[0]
	}
	if !taken {
		_, err := h.prepare(ctx, want(s, p))
		return is(err, broker.Unsupported)
	}
	offered := false
	for _, o := range c.Mechanisms {
		offered = offered || o == m
	}
	if !offered {
		return nil // the broker chooses among what is offered
	}
	material := h.shared.material(s)
	key, err := h.prepare(ctx, want(s, p))
	if err != nil {
		return err
	}
	in, err := h.wrapped(ctx, key, material, m)
	if err != nil {
		return err
	}
	done, err := h.Provider.Import(ctx, h.effect(broker.StepImport), in)
	if err != nil {
		return fmt.Errorf("import: %w", err)
	}
	if done.Version.Key != key || done.Receipt.RequestID == "" || done.Receipt.Endpoint == "" {
		return fmt.Errorf("answer %+v about key %s", done, key.ID)
	}
	if err := h.state(ctx, key, broker.RemoteEnabled); err != nil {
		return err
	}
	return h.prove(ctx, done.Version, material, p)
}

// prove compares both sides by the target's own level.
func (h *harness) prove(ctx context.Context, v broker.VersionRef, m material, p broker.Purpose) error {
	c, err := h.challenge(v, m, p)
	if err != nil {
		return err
	}
	theirs, err := h.Provider.Prove(ctx, v, c)
	if err != nil {
		return fmt.Errorf("prove: %w", err)
	}
	return c.Compare(m.answer(c), theirs, h.Now())
}

func (h *harness) challenge(v broker.VersionRef, m material, p broker.Purpose) (broker.Challenge, error) {
	caps := h.Provider.Capabilities()
	level := caps.Specs[m.spec].Proof[p]
	return broker.NewChallenge(broker.ChallengeSubject{
		Effect: "kf-test", Provider: caps.Provider, Account: h.Account, Ref: v, Level: level, Spec: m.spec, Purpose: p, PublicKey: m.public,
	}, h.Now())
}

func foundByEffect(ctx context.Context, h *harness) error {
	in, e := h.simple(), h.effect(broker.StepPrepare)
	began := h.Now()
	made, err := h.Provider.Prepare(ctx, e, in)
	if err != nil {
		return err
	}
	var o broker.Observation
	err = h.eventually(ctx, func() (err error) { o, err = h.one(ctx, broker.Query{Effect: e.ID()}); return err })
	switch {
	case err != nil:
		return err
	case o.Version.Key != made.Key || o.Effect != e.ID() || o.Name != in.Name:
		return fmt.Errorf("seen as %s, effect %q, name %q", o.Version.Key.ID, o.Effect, o.Name)
	case o.Origin != broker.OriginExternal || o.State != broker.RemotePending || o.HasMaterial:
		return fmt.Errorf("origin %s, state %s, material %v", o.Origin, o.State, o.HasMaterial)
	case o.Spec != in.Spec || o.Purpose != in.Purpose || !o.PolicyMatch:
		return fmt.Errorf("spec %s, purpose %s, policy matches %v", o.Spec, o.Purpose, o.PolicyMatch)
	case o.Tags["team"] != "payments":
		return fmt.Errorf("tags %v", o.Tags)
	case o.CreatedAt.Before(began.Add(-5*time.Minute)) || o.SeenAt.IsZero():
		return fmt.Errorf("made %s, seen %s, asked %s", o.CreatedAt, o.SeenAt, began)
	}
	return nil
}

func preparedTwice(ctx context.Context, h *harness) error {
	in, e := h.simple(), h.effect(broker.StepPrepare)
	first, err := h.Provider.Prepare(ctx, e, in)
	if err != nil {
		return err
	}
	second, err := h.Provider.Prepare(ctx, e, in)
	if err != nil {
		return err
	}
	finds := h.Provider.Capabilities().PrepareFinds
	if (first.Key == second.Key) != finds {
		return fmt.Errorf("it said PrepareFinds %v, and answered %s and %s", finds, first.Key.ID, second.Key.ID)
	}
	if finds {
		return nil
	}
	return h.eventually(ctx, func() error {
		seen, err := h.look(ctx, broker.Query{Effect: e.ID()})
		if err == nil && len(seen) != 2 {
			err = fmt.Errorf("%d keys carry the mark, not both", len(seen))
		}
		return err
	})
}

func sentAgain(ctx context.Context, h *harness) error {
	v, in, m, err := h.ready(ctx)
	if err != nil || !h.Provider.Capabilities().Specs[in.Spec].ImportRepeats {
		return err
	}
	again, err := h.importing(ctx, v.Key, m)
	if err != nil {
		return fmt.Errorf("import again: %w", err)
	}
	seen, err := h.look(ctx, broker.Query{Versions: &v.Key})
	if err != nil || again.Version != v || len(seen) != 1 {
		return fmt.Errorf("version %v, then %v, %d versions: %w", v, again.Version, len(seen), err)
	}
	return h.prove(ctx, v, m, in.Purpose)
}

func renewed(ctx context.Context, h *harness) error {
	if !h.Provider.Capabilities().ValidTo.Native {
		return nil
	}
	v, in, m, err := h.ready(ctx)
	if err != nil {
		return err
	}
	end := h.Now().UTC().Add(90 * 24 * time.Hour).Truncate(time.Second)
	again, err := h.importing(ctx, v.Key, m, existing(v), until(end))
	if err != nil || again.Version != v {
		return fmt.Errorf("version %v, then %v: %w", v, again.Version, err)
	}
	err = h.eventually(ctx, func() error {
		o, err := h.one(ctx, broker.Query{Version: &v})
		if err == nil && !o.ValidTo.Equal(end) {
			err = fmt.Errorf("valid to %s, not %s", o.ValidTo, end)
		}
		return err
	})
	if err != nil {
		return err
	}
	return h.prove(ctx, v, m, in.Purpose)
}

func comesBack(ctx context.Context, h *harness) error { return h.comesBack(ctx, h.simple()) }

func secretComesBack(ctx context.Context, h *harness) error {
	if !h.Provider.Capabilities().Takes(broker.AES256, broker.Encrypt) {
		return nil
	}
	return h.comesBack(ctx, want(broker.AES256, broker.Encrypt))
}

func (h *harness) comesBack(ctx context.Context, in broker.PrepareIn) error {
	v, m, err := h.filled(ctx, in)
	if err != nil {
		return err
	}
	if err := h.do(ctx, v, broker.Action{Kind: broker.DeleteMaterial}); err != nil {
		return fmt.Errorf("delete material: %w", err)
	}
	if err := h.state(ctx, v.Key, broker.RemotePending); err != nil {
		return err
	}
	c, err := h.challenge(v, m, in.Purpose)
	if err != nil {
		return err
	}
	if _, err := h.Provider.Prove(ctx, v, c); is(err, broker.Conflict) != nil {
		return fmt.Errorf("prove without material: %w", is(err, broker.Conflict))
	}
	again, err := h.importing(ctx, v.Key, m, restored(v))
	if err != nil || again.Version != v {
		return fmt.Errorf("restore: version %v, then %v: %w", v, again.Version, err)
	}
	if err := h.state(ctx, v.Key, broker.RemoteEnabled); err != nil {
		return err
	}
	return h.prove(ctx, v, m, in.Purpose)
}

func distinct(ctx context.Context, h *harness) error {
	first, _, _, err := h.ready(ctx)
	if err != nil {
		return err
	}
	second, _, _, err := h.ready(ctx)
	if err == nil && first.Key == second.Key {
		err = fmt.Errorf("both are %s", first.Key.ID)
	}
	return err
}
