package providertest_test

import (
	"context"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/providers/memory"
)

// What breaks at a target whose keys have names of ours, and whose versions are numbered.

func brokenNumbered() []broken {
	type q = broker.Query
	var out []broken
	add := func(check string, how lie) { out = append(out, broken{check, memory.Numbered, how}) }
	add("a name is free until its key is there, and taken then", hides(func(q q, _ *broker.Observation) bool { return q.Name != "" }))
	add("prepare takes nothing that is not as it asks", takesAnything)
	add("prepare takes no key that has versions", takesAnything)
	add("prepare takes no key that was made before it was intended", takesAnything)
	add("prepare takes no key of another's making", takesAnything)
	add("prepare for a further version answers the same key", prepares(func(in *broker.PrepareIn) { in.Mode = broker.NewKey; in.RemoteName += "-2" }))
	add("tags at the limit are kept, one more is refused", prepares(func(in *broker.PrepareIn) { in.Tags = nil }))
	add("tags outside the rule are refused", prepares(func(in *broker.PrepareIn) { in.Tags = nil }))
	add("an import that takes its time is importing until it is done", says(func(o *broker.Observation) {
		if o.State == broker.RemoteImporting {
			o.State = broker.RemoteEnabled
		}
	}))
	add("an import that was accepted can fail, and says why", says(func(o *broker.Observation) { o.Reason = "" }))
	add("a further version is beside the first", hides(func(q q, o *broker.Observation) bool { return q.Versions != nil && o.Version.ID == "1" }))
	add("the same material twice is two versions", hides(func(q q, o *broker.Observation) bool { return q.Versions != nil && o.Version.ID == "1" }))
	add("a version is seen with what consumers will use of it", says(func(o *broker.Observation) { o.Consumer = "" }))
	add("a version says what it was imported under", says(func(o *broker.Observation) { o.Batch = "another" }))
	add("material that is there is not imported over itself", sends(func(in *broker.ImportIn) { in.Kind = broker.ImportNew }))
	add("a destroyed version comes back by a restore", sends(func(in *broker.ImportIn) { in.Kind = broker.ImportNew }))
	add("a version that is not there is not found", swallows(broker.NotFound))
	add("disable and enable one version of several", acts(func(v *broker.VersionRef, _ *broker.Action) { v.ID = "" }))
	add("an action that the target has not is unsupported", swallows(broker.Unsupported))
	return out
}

func brokenPrimaries() []broken {
	type q = broker.Query
	var out []broken
	add := func(check string, how lie) { out = append(out, broken{check, memory.Numbered, how}) }
	activated := afterImport(func(l *liar, ctx context.Context, done broker.Imported) {
		for o, err := range l.Provider.Look(ctx, broker.Query{Consumer: done.Consumer}) {
			if err != nil {
				panic(err)
			}
			_, _ = l.Provider.Do(ctx, broker.Effect{}, done.Version, broker.Action{Kind: broker.Activate, Expect: o.Version.ID})
			return
		}
		_, _ = l.Provider.Do(ctx, broker.Effect{}, done.Version, broker.Action{Kind: broker.Activate})
	})
	add("an import gives consumers nothing until it is activated", activated)
	add("a primary moves by activation alone", activated)
	add("activate takes the primary only from whom it is expected", swallows(broker.Conflict))
	add("deactivate gives consumers the primary before", skips(broker.Deactivate))
	add("a primary is not activated by another's name", swallows(broker.Rejected))
	add("consumers who name a version get just that", says(func(o *broker.Observation) { o.Version.ID = "1" }))
	add("a key without versions stays", hides(func(_ q, o *broker.Observation) bool { return o.Version.ID == "" }))
	add("schedule and cancel one version of several", acts(func(v *broker.VersionRef, _ *broker.Action) { v.ID = "" }))
	add("schedule and cancel every version of a key", acts(func(v *broker.VersionRef, a *broker.Action) {
		if a.Kind == broker.Schedule {
			v.ID = "2"
		}
	}))
	add("a version is gone after its waiting period, its key stays", skips(broker.Schedule))
	return out
}
