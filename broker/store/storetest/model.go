package storetest

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/keyferry/keyferry/broker"
)

// machine draws sequences of changes over few names, so that they meet, and holds
// the store against a model made of maps.
func machine(t *testing.T, fresh Fresh) {
	rapid.Check(t, func(rt *rapid.T) {
		open := fresh(rt)
		m := &model{
			t: rt, open: open, store: open(rt), keys: map[string]broker.KeyView{}, operations: map[string]*broker.OperationView{},
			enrolments: map[string]broker.Enrolment{}, leases: map[string]broker.Lease{},
		}
		rt.Repeat(map[string]func(*rapid.T){
			"key": m.key, "version": m.version, "placement": m.placement, "operation": m.operation, "effect": m.effect,
			"enrol": m.enrol, "lease": m.lease, "reopen": m.reopen,
		})
		m.compare(rt)
	})
}

// model is what the store must hold.
type model struct {
	t          TB
	open       Open
	store      broker.Store
	now        int
	keys       map[string]broker.KeyView
	operations map[string]*broker.OperationView
	order      []string // ids of operations
	enrolments map[string]broker.Enrolment
	leases     map[string]broker.Lease
	entries    int
}

// text is any that every store can hold.
func text() *rapid.Generator[string] {
	return rapid.StringOf(rapid.Rune().Filter(func(r rune) bool { return r != 0 }))
}

func one(rt *rapid.T, label string, of ...string) string {
	return rapid.SampledFrom(of).Draw(rt, label)
}

// apply applies a change that must be refused with kind, or none.
func (m *model) apply(rt *rapid.T, c broker.Change, kind broker.Kind) (done bool) {
	m.now++
	c.Entry = broker.Entry{At: at(m.now), Event: "e", Reason: text().Draw(rt, "reason")}
	head, err := m.store.Apply(m.t.Context(), c)
	refused(rt, "apply", err, kind)
	if kind != "" {
		return false
	}
	m.entries++
	if head.Seq != int64(m.entries) {
		rt.Fatalf("head is %d after %d changes", head.Seq, m.entries)
	}
	return true
}

// key inserts a key that may be there.
func (m *model) key(rt *rapid.T) {
	name := one(rt, "key", "a", "b", "c")
	k := broker.Key{
		ID: "id-" + name, Name: name, Owner: text().Draw(rt, "owner"), CreatedAt: at(m.now),
		Tags: rapid.MapOf(text(), text()).Draw(rt, "tags"),
	}
	kind := broker.Kind("")
	if _, ok := m.keys[name]; ok {
		kind = broker.Conflict
	}
	if m.apply(rt, broker.Change{NewKey: &k}, kind) {
		m.keys[name] = broker.KeyView{Key: k}
	}
}

// version inserts or replaces a version.
func (m *model) version(rt *rapid.T) {
	name, number := one(rt, "key", "a", "b", "c"), rapid.IntRange(1, 2).Draw(rt, "number")
	v := broker.KeyVersion{
		KeyID: "id-" + name, Number: number, State: rapid.SampledFrom(broker.States()).Draw(rt, "state"), Retain: broker.RetainToken, CreatedAt: at(m.now),
		Material: broker.Material{KCV: rapid.SliceOf(rapid.Byte()).Draw(rt, "kcv")},
	}
	view, known := m.keys[name]
	i := slices.IndexFunc(view.Versions, func(v broker.KeyVersion) bool { return v.Number == number })
	if rapid.Bool().Draw(rt, "new") {
		kind := broker.Kind("")
		if !known {
			kind = broker.NotFound
		} else if i >= 0 {
			kind = broker.Conflict
		}
		if m.apply(rt, broker.Change{NewVersion: &v}, kind) {
			view.Versions = append(view.Versions, v)
			slices.SortFunc(view.Versions, func(a, b broker.KeyVersion) int { return cmp.Compare(a.Number, b.Number) })
		}
	} else if m.apply(rt, broker.Change{Version: &v}, missing(i >= 0)) {
		view.Versions[i] = v
	}
	if known {
		m.keys[name] = view
	}
}

func missing(there bool) broker.Kind {
	if there {
		return ""
	}
	return broker.NotFound
}

// placement inserts or replaces one.
func (m *model) placement(rt *rapid.T) {
	name, number, target := one(rt, "key", "a", "b", "c"), rapid.IntRange(1, 2).Draw(rt, "number"), one(rt, "target", "t", "u")
	p := broker.Placement{
		KeyID: "id-" + name, Number: number, Target: target, Step: broker.PlacementStaged, SeenAt: at(m.now),
		Consumer: text().Draw(rt, "consumer"), Proof: broker.Proof{Detail: text().Draw(rt, "detail")},
	}
	view := m.keys[name]
	_, there := view.Version(number)
	if !m.apply(rt, broker.Change{Placements: []broker.Placement{p}}, missing(there)) {
		return
	}
	view.Placements = slices.DeleteFunc(view.Placements, func(q broker.Placement) bool { return q.Number == number && q.Target == target })
	view.Placements = append(view.Placements, p)
	slices.SortFunc(view.Placements, func(a, b broker.Placement) int {
		return cmp.Or(cmp.Compare(a.Number, b.Number), cmp.Compare(a.Target, b.Target))
	})
	m.keys[name] = view
}

// operation inserts or replaces one.
func (m *model) operation(rt *rapid.T) {
	o := broker.Operation{
		ID: one(rt, "operation", "o", "p"), KeyName: one(rt, "key", "a", "b"), StartedAt: at(m.now),
		State: rapid.SampledFrom(broker.OperationStates()).Draw(rt, "state"), Problem: text().Draw(rt, "problem"),
	}
	view, there := m.operations[o.ID]
	if rapid.Bool().Draw(rt, "new") {
		kind := broker.Kind("")
		if there {
			kind = broker.Conflict
		}
		if m.apply(rt, broker.Change{NewOperation: &o}, kind) {
			m.operations[o.ID] = &broker.OperationView{Operation: o}
			m.order = append(m.order, o.ID)
		}
	} else if m.apply(rt, broker.Change{Operation: &o}, missing(there)) {
		view.Operation = o
	}
}

// effect intends one, or sets its result.
func (m *model) effect(rt *rapid.T) {
	r := broker.EffectRecord{
		Effect: broker.Effect{
			Operation: one(rt, "operation", "o", "p"), Target: one(rt, "target", "t", "u"), Step: broker.Step(one(rt, "step", "import", "prepare")),
		},
		Intent: []byte(`{"i":1}`), At: at(m.now),
	}
	view, there := m.operations[r.Effect.Operation]
	i := -1
	if there {
		i = slices.IndexFunc(view.Effects, func(e broker.EffectRecord) bool { return e.Effect == r.Effect })
	}
	if rapid.Bool().Draw(rt, "intend") {
		kind := missing(there)
		if i >= 0 {
			kind = broker.Conflict
		}
		if m.apply(rt, broker.Change{Intent: &r}, kind) {
			view.Effects = append(view.Effects, r)
		}
		return
	}
	r.Result, r.DoneAt = []byte(one(rt, "result", `{"r":1}`, `{"r":2}`)), at(m.now)
	m.result(rt, r, i)
}

func (m *model) result(rt *rapid.T, r broker.EffectRecord, i int) {
	kind := missing(i >= 0)
	var known *broker.EffectRecord
	if i >= 0 {
		known = &m.operations[r.Effect.Operation].Effects[i]
		if known.Done() && string(known.Result) != string(r.Result) {
			kind = broker.Conflict
		}
	}
	if !m.apply(rt, broker.Change{Result: &r}, kind) {
		return
	}
	if !known.Done() {
		known.Result, known.DoneAt = r.Result, r.DoneAt
	}
}

// enrol inserts or replaces one.
func (m *model) enrol(rt *rapid.T) {
	e := broker.Enrolment{
		Kind: broker.EnrolmentKind(one(rt, "kind", "token", "target")), Name: one(rt, "name", "x", "y"), At: at(m.now),
		Pins: rapid.MapOf(text(), text()).Draw(rt, "pins"), Seal: rapid.SliceOf(rapid.Byte()).Draw(rt, "seal"),
	}
	if m.apply(rt, broker.Change{Enrolment: &e}, "") {
		m.enrolments[string(e.Kind)+" "+e.Name] = e
	}
}

// lease takes or gives back one.
func (m *model) lease(rt *rapid.T) {
	m.now++
	l := broker.Lease{
		Name: one(rt, "name", "key/a", "key/b"), Holder: one(rt, "holder", "one", "two"),
		Now: at(m.now), Until: at(m.now + rapid.IntRange(1, 9).Draw(rt, "for")), Release: rapid.Bool().Draw(rt, "release"),
	}
	old, held := m.leases[l.Name]
	kind := broker.Kind("")
	if !l.Release && held && old.Holder != l.Holder && old.Until.After(l.Now) {
		kind = broker.Conflict
	}
	refused(rt, "lease", m.store.Lease(m.t.Context(), l), kind)
	switch {
	case kind != "":
	case !l.Release:
		m.leases[l.Name] = l
	case held && old.Holder == l.Holder:
		delete(m.leases, l.Name)
	}
}

// reopen goes on with another opening, which knows all that went before.
func (m *model) reopen(rt *rapid.T) {
	m.store = m.open(m.t)
	m.compare(rt)
}

// compare reads all that is there.
func (m *model) compare(rt *rapid.T) {
	got := readAll(rt, m.store)
	want := everything{Entries: got.Entries, Heads: nil}
	for _, name := range slices.Sorted(maps.Keys(m.keys)) {
		want.Keys = append(want.Keys, m.keys[name])
	}
	for _, id := range slices.Backward(m.order) {
		want.Operations = append(want.Operations, *m.operations[id])
	}
	for _, name := range slices.Sorted(maps.Keys(m.enrolments)) {
		want.Enrolments = append(want.Enrolments, m.enrolments[name])
	}
	equal(rt, "store", want, got)
	if len(got.Entries) != m.entries {
		rt.Fatalf("%d entries after %d changes", len(got.Entries), m.entries)
	}
	if _, err := m.store.Key(m.t.Context(), fmt.Sprint("none", m.now)); broker.KindOf(err) != broker.NotFound {
		rt.Fatalf("key that is not there: %v", err)
	}
}
