package broker

import (
	"errors"
	"slices"
	"testing"
)

// Material whose import was begun and that has no record: no store that a token vouches
// for has that, and where one does, it says what is missing and makes nothing new.
func TestMaterialWithoutARecordIsForAPerson(t *testing.T) {
	t.Parallel()
	p := &place{target: Target{Name: "aws"}}
	l := &line{key: Key{Name: "k"}, version: KeyVersion{KeyID: "id", Number: 1}, op: Operation{ID: "one"}, places: []*place{p}, effects: map[string]EffectRecord{}}
	l.effects[l.effect(p, StepImport).ID()] = EffectRecord{}
	err := l.generateKept(t.Context(), GenerateIn{})
	e, _ := errors.AsType[*Error](err)
	if !errors.Is(err, Undecided) || len(e.Seen) != 1 || e.Seen[0].Ref != "kf-id-1" || e.Hint == "" {
		t.Errorf("%v, %+v", err, e)
	}
}

// What is shown is what was seen last, by this operation, and only while it is undecided.
func TestADilemmaIsTheLastOfItsOperation(t *testing.T) {
	t.Parallel()
	told := func(id, ref string) Entry {
		return Entry{Operation: id, Event: "import.undecided", Details: map[string]any{"seen": []any{map[string]any{"ref": ref, "why": "it is there"}}, "do": []any{"this"}}}
	}
	entries := []Entry{told("one", "first"), told("one", "last"), {Operation: "one", Event: "import.resumed"}, told("two", "other")}
	op := OperationView{Operation: Operation{ID: "one", Kind: OpImport, State: UndecidedState}}
	d, err := DilemmaOf(op, entries)
	if err != nil || len(d.Seen) != 1 || d.Seen[0].Ref != "last" || !slices.Equal(d.Do, []string{"this"}) {
		t.Errorf("%+v, %v", d, err)
	}
	if d, err = DilemmaOf(op, nil); err != nil || len(d.Do) != 2 || d.Seen == nil {
		t.Errorf("with nothing on record: %+v, %v", d, err)
	}
	op.Effects = []EffectRecord{{Effect: Effect{Step: StepAbandon}}}
	if d, err = DilemmaOf(op, entries); d != nil || err != nil {
		t.Errorf("being taken back: %+v, %v", d, err)
	}
	if _, err = DilemmaOf(OperationView{Operation: Operation{ID: "one", Kind: OpImport, State: UndecidedState}}, []Entry{{Operation: "one", Event: "import.undecided", Details: map[string]any{"seen": 1}}}); err == nil {
		t.Error("nonsense was read")
	}
}
