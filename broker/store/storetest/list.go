package storetest

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/keyferry/keyferry/broker"
)

func listChecks() []check {
	return []check{
		{"keys are selected and in order of name", listKeys},
		{"a key comes with all versions and placements", listWhole},
		{"operations are selected and newest first", listOperations},
		{"who reads a list may write meanwhile", listWhileWriting},
	}
}

// listed are keys in many situations; their names are out of order.
func listed() []broker.Change {
	var changes []broker.Change
	for i, name := range []string{"m", "b", "z", "a/x", "B", "a.y"} {
		id := "id-" + name
		c := broker.Change{NewKey: &broker.Key{
			ID: id, Name: name, CreatedAt: at(i), Owner: []string{"red", "blue"}[i%2],
			Tags: map[string]string{"team": []string{"pay", "web", "ops"}[i%3], "all": "yes"},
		}}
		for number := 1; number <= 1+i%2; number++ {
			v := broker.KeyVersion{KeyID: id, Number: number, State: broker.States()[(i+number)%6], Retain: broker.RetainToken, CreatedAt: at(i)}
			c.NewVersion = &v
			for _, target := range []string{"t2", "t1"}[:i%3] {
				p := broker.Placement{KeyID: id, Number: number, Target: target, Step: broker.PlacementActive}
				if target == "t1" {
					p.Terms.Name = "At-" + name
				} else {
					p.Consumer = "alias/" + name
				}
				if i != 4 {
					p.ValidTo = at(100 * (i + number))
				}
				c.Placements = append(c.Placements, p)
			}
			changes = append(changes, c)
			c = broker.Change{}
		}
	}
	return changes
}

func listKeys(t *testing.T, open Open) {
	s := open(t)
	for _, c := range listed() {
		apply(t, s, c)
	}
	for name, f := range map[string]broker.KeyFilter{
		"all": {}, "owner": {Owner: "red"}, "nobody's": {Owner: "green"}, "tag": {Tags: map[string]string{"team": "pay"}},
		"two tags": {Tags: map[string]string{"team": "web", "all": "yes"}}, "a tag of another value": {Tags: map[string]string{"all": "no"}},
		"state": {State: broker.Active}, "target": {Target: "t1"}, "other target": {Target: "t2"}, "no target": {Target: "t3"},
		"expiring": {ValidToBefore: at(300)}, "expiring later": {ValidToBefore: at(301)}, "long ago": {ValidToBefore: at(0)},
		"state at target": {State: broker.Destroyed, Target: "t2"}, "owner and state": {Owner: "blue", State: broker.Deactivated},
		"name": {Name: "At-z"}, "name in capitals": {Name: "AT-Z"}, "consumers' name": {Name: "alias/b"}, "name at another target": {Name: "at-z", Target: "t2"},
		"two of one name": {Name: "alias/b", Target: "t2"}, "nobody's name": {Name: "z"},
		"all at once": {Owner: "blue", Target: "t2", ValidToBefore: at(9999), Tags: map[string]string{"all": "yes"}},
	} {
		want := selected(t, s, f)
		got := collect(t, s.Keys(t.Context(), f))
		equal(t, name, want, got)
	}
	if n := len(collect(t, s.Keys(t.Context(), broker.KeyFilter{Target: "t1"}))); n != 2 {
		t.Errorf("%d keys at t1, want 2: the samples say nothing", n)
	}
	if n := len(collect(t, s.Keys(t.Context(), broker.KeyFilter{Name: "AT-Z"}))); n != 1 {
		t.Errorf("%d keys have the name, want 1: the samples say nothing", n)
	}
}

// selected is what a filter means, over the whole inventory.
func selected(t *testing.T, s broker.Store, f broker.KeyFilter) (views []broker.KeyView) {
	for _, name := range []string{"B", "a.y", "a/x", "b", "m", "z"} { // by bytes
		view, err := s.Key(t.Context(), name)
		must(t, err)
		if matches(f, view) {
			views = append(views, view)
		}
	}
	return views
}

func matches(f broker.KeyFilter, k broker.KeyView) bool {
	for name, value := range f.Tags {
		if k.Key.Tags[name] != value {
			return false
		}
	}
	if f.Owner != "" && k.Key.Owner != f.Owner {
		return false
	}
	if f.State == "" && f.Target == "" && f.Name == "" && f.ValidToBefore.IsZero() {
		return true
	}
	return slices.ContainsFunc(k.Versions, func(v broker.KeyVersion) bool {
		return (f.State == "" || v.State == f.State) && placed(f, k, v.Number)
	})
}

func placed(f broker.KeyFilter, k broker.KeyView, number int) bool {
	if f.Target == "" && f.Name == "" && f.ValidToBefore.IsZero() {
		return true
	}
	return slices.ContainsFunc(k.Placements, func(p broker.Placement) bool {
		return p.Number == number && (f.Target == "" || p.Target == f.Target) &&
			(f.Name == "" || strings.EqualFold(f.Name, p.OurName())) &&
			(f.ValidToBefore.IsZero() || !p.ValidTo.IsZero() && p.ValidTo.Before(f.ValidToBefore))
	})
}

func listWhole(t *testing.T, open Open) {
	s := open(t)
	want := broker.KeyView{Key: broker.Key{ID: "1", Name: "k", CreatedAt: noon()}}
	c := broker.Change{NewKey: &want.Key}
	for _, number := range []int{2, 10, 1} {
		v := broker.KeyVersion{KeyID: "1", Number: number, State: broker.Active, Retain: broker.RetainNone, CreatedAt: noon()}
		c.NewVersion = &v
		for _, target := range []string{"b", "a"} {
			c.Placements = append(c.Placements, broker.Placement{KeyID: "1", Number: number, Target: target, Step: broker.PlacementStaged})
		}
		want.Versions = append(want.Versions, v)
		want.Placements = append(want.Placements, c.Placements...)
		apply(t, s, c)
		c = broker.Change{}
	}
	slices.SortFunc(want.Versions, func(a, b broker.KeyVersion) int { return a.Number - b.Number })
	slices.SortFunc(want.Placements, func(a, b broker.Placement) int {
		return (a.Number-b.Number)*10 + int(a.Target[0]) - int(b.Target[0])
	})
	equal(t, "selected by one target", []broker.KeyView{want}, collect(t, s.Keys(t.Context(), broker.KeyFilter{Target: "a"})))
}

func listOperations(t *testing.T, open Open) {
	s := open(t)
	states := broker.OperationStates()
	for i := range 12 {
		id := fmt.Sprintf("op-%d", (i*7)%12) // neither ids nor clocks are in the order of recording
		apply(t, s, broker.Change{NewOperation: &broker.Operation{
			ID: id, KeyName: []string{"k", "l"}[i%2], State: states[i%len(states)], Number: i, StartedAt: at(-i % 5),
		}})
		if i >= 6 && i <= 9 { // finished, failed, undecided, abandoned
			e := broker.Effect{Operation: id, Target: "t", Step: broker.StepAbandon}
			apply(t, s, broker.Change{Intent: &broker.EffectRecord{Effect: e, Intent: []byte(`{}`), At: noon()}})
		}
	}
	for name, c := range map[string]struct {
		f    broker.OperationFilter
		want []int
	}{
		"all":              {broker.OperationFilter{}, []int{11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0}},
		"of a key":         {broker.OperationFilter{KeyName: "l"}, []int{11, 9, 7, 5, 3, 1}},
		"of no key":        {broker.OperationFilter{KeyName: "x"}, nil},
		"in a state":       {broker.OperationFilter{States: []broker.OperationState{broker.Running}}, []int{10, 5, 0}},
		"in two states":    {broker.OperationFilter{States: []broker.OperationState{broker.Running, broker.Finished}}, []int{11, 10, 5, 1, 0}},
		"taken back":       {broker.OperationFilter{States: []broker.OperationState{broker.Abandoned}}, []int{9, 4}},
		"half taken back":  {broker.OperationFilter{States: []broker.OperationState{broker.Aborting}}, []int{8, 7, 6}},
		"the newest":       {broker.OperationFilter{Limit: 2}, []int{11, 10}},
		"more than are":    {broker.OperationFilter{Limit: 99}, []int{11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0}},
		"newest of a key":  {broker.OperationFilter{KeyName: "k", Limit: 1}, []int{10}},
		"all that at once": {broker.OperationFilter{KeyName: "k", States: states[:1], Limit: 1}, []int{10}},
	} {
		var got []int
		for _, view := range collect(t, s.Operations(t.Context(), c.f)) {
			got = append(got, view.Operation.Number)
		}
		equal(t, name, c.want, got)
	}
}

func listWhileWriting(t *testing.T, open Open) {
	s := open(t)
	for i := range 5 {
		apply(t, s, small(holderName(i)))
	}
	seen := 0
	for view, err := range s.Keys(t.Context(), broker.KeyFilter{}) {
		must(t, err)
		apply(t, s, small("new/"+view.Key.Name))
		for _, err := range s.Operations(t.Context(), broker.OperationFilter{KeyName: view.Key.Name}) {
			must(t, err)
		}
		seen++
	}
	if seen != 5 {
		t.Errorf("%d keys seen, want the 5 that were there when the list began", seen)
	}
	for _, err := range s.Keys(t.Context(), broker.KeyFilter{}) {
		must(t, err)
		break
	}
	if n := len(readAll(t, s).Keys); n != 10 {
		t.Errorf("%d keys, want 10", n)
	}
}
