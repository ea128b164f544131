package providertest_test

import (
	"context"
	"time"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/providers/memory"
)

// What breaks at a target whose keys have one state, and whose names lead to them.

func brokenKeys() []broken {
	type q = broker.Query
	var out []broken
	add := func(check string, how lie) { out = append(out, broken{check, memory.Default, how}) }
	add("capabilities are whole", claims(func(c *broker.Capabilities) { c.Settle = 0 }))
	add("a consumer name follows the rule it states", claims(func(c *broker.Capabilities) { c.Names.Pattern = ".*" }))
	add("identify names the account", func(l *liar) {
		l.identify = func(id broker.Identity, err error) (broker.Identity, error) { id.Account = "another"; return id, err }
	})
	add("what was prepared is found by its effect, once", hides(func(q q, _ *broker.Observation) bool { return q.Effect != "" }))
	add("prepare twice is two keys, or finds the first", claims(func(c *broker.Capabilities) { c.PrepareFinds = true }))
	return out
}

func brokenImports() []broken {
	var out []broken
	add := func(check string, how lie) { out = append(out, broken{check, memory.Default, how}) }
	add("two keys never share an id", func(l *liar) {
		l.prepare = func(ctx context.Context, e broker.Effect, in broker.PrepareIn) (broker.Prepared, error) {
			made, err := l.Provider.Prepare(ctx, e, in)
			made.Key.ID = one
			return made, err
		}
	})
	add("a wrapping key serves as often as it says", func(l *liar) {
		l.wrapping = func(ctx context.Context, e broker.Effect, in broker.WrappingKeyIn) (broker.WrappingKey, error) {
			w, err := l.Provider.WrappingKey(ctx, e, in)
			w.SingleUse = false
			return w, err
		}
	})
	add("each algorithm can be asked for", prepares(func(in *broker.PrepareIn) { in.Algorithm += "-other" }))
	add("an algorithm that does not exist is refused", prepares(func(in *broker.PrepareIn) { in.Algorithm = "" }))
	add("import and prove hmac-256 for mac", prepares(func(in *broker.PrepareIn) { in.Spec = broker.HMAC384 }))
	add("import aes-256 by rsa-oaep-sha1", wraps(func(in *broker.WrappingKeyIn) { in.Mechanism = broker.OAEPSHA256 }))
	add("a version is seen as it was imported, however it is asked for", says(func(o *broker.Observation) { o.KeyID = "another" }))
	add("the first material can be sent again", sends(func(in *broker.ImportIn) { in.Token = append(in.Token, 0) }))
	add("material is renewed under its version", sends(func(in *broker.ImportIn) { in.ValidTo = time.Time{} }))
	add("deleted material comes back", skips(broker.DeleteMaterial))
	add("secret material comes back after it was deleted", skips(broker.DeleteMaterial))
	return out
}

func brokenRefusals() []broken {
	var out []broken
	add := func(check string, how lie) { out = append(out, broken{check, memory.Default, how}) }
	for _, check := range []string{
		"garbage is not material", "wrapped material cut short is refused", "no material is refused", "garbage is not an import token",
		"valid-to in the past is refused", "valid-to beyond the limit is refused", "valid-from where there is none is refused",
		"another key's import token is refused", "material of another length is refused", "material of another spec is refused",
		"bytes after PKCS#8 are refused", "material under another hash is refused", "other material as existing is refused",
		"other secret material as existing is refused", "other material beside the first is refused", "an import token ends",
	} {
		add(check, accepts)
	}
	return out
}

func brokenActions() []broken {
	var out []broken
	add := func(check string, how lie) { out = append(out, broken{check, memory.Default, how}) }
	add("a key that is not there is not found", swallows(broker.NotFound))
	add("disable and enable", skips(broker.Disable))
	add("an action that does not exist is unsupported", swallows(broker.Unsupported))
	add("an end is not moved where it comes with the import", swallows(broker.Unsupported))
	add("activate gives consumers the version", skips(broker.Activate))
	add("activate takes a name only from whom it is expected", swallows(broker.Conflict))
	add("deactivate takes the name away, or back", skips(broker.Deactivate))
	add("a name that is not allowed is refused", swallows(broker.Rejected))
	add("schedule and cancel a deletion", skips(broker.Cancel))
	add("a waiting period outside the limits is refused", swallows(broker.Rejected))
	add("an empty key can be scheduled, not enabled", swallows(broker.Conflict))
	return out
}

func brokenProofs() []broken {
	type q = broker.Query
	var out []broken
	add := func(check string, how lie) { out = append(out, broken{check, memory.Default, how}) }
	add("a proof tells other material apart", refusesProof("", broker.Rejected))
	add("a proof by public key tells other pairs apart", refusesProof("", broker.Rejected))
	add("a proof by decryption tells other material apart", refusesProof(broker.Differs, broker.Rejected))
	add("a proof through a name that is not there is not found", proves(func(v *broker.VersionRef) { v.Via = "" }))
	add("a proof through another's name does not pass", proves(func(v *broker.VersionRef) { v.Via = "" }))
	add("a level that does not exist is unsupported", refusesProof(broker.Unsupported, ""))
	add("material ends at its valid-to, and can be restored", sends(func(in *broker.ImportIn) { in.ValidTo = time.Time{} }))
	add("a key is gone after its waiting period", skips(broker.Schedule))
	add("everything is seen, page after page", hides(func(q q, o *broker.Observation) bool { return q.All && o.Version.Key.ID == one }))
	add("looking can stop at any time", hides(func(q q, _ *broker.Observation) bool { return q.All }))
	add("a key under another policy with our mark is told apart", says(func(o *broker.Observation) { o.PolicyMatch = true }))
	add("a key of the provider's with our mark is told apart", says(func(o *broker.Observation) { o.Origin = broker.OriginExternal }))
	add("marks and names are plain data", answersAs(func(q *q) {
		if q.Effect != "" {
			*q = broker.Query{All: true}
		}
	}))
	return out
}
