package storetest

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"time"

	"github.com/keyferry/keyferry/broker"
)

// filler gives every field of a struct, however deep, a value that no other field
// has: a field that a store forgets or confuses is then seen. A field of a kind
// that it does not know fails the test, so that nobody forgets to teach it.
type filler struct {
	t TB
	n int
}

func filled[T any](f *filler) (v T) {
	f.t.Helper()
	f.fill(reflect.ValueOf(&v).Elem())
	return v
}

func (f *filler) fill(v reflect.Value) {
	f.n++
	if f.known(v) {
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for _, field := range v.Fields() {
			f.fill(field)
		}
	case reflect.String:
		v.SetString(fmt.Sprintf("%s %d <ä&\"'>", v.Type().Name(), f.n))
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(f.n))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		f.fill(v.Elem())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		f.fill(v.Index(0))
		f.fill(v.Index(1))
	case reflect.Map:
		f.fillMap(v)
	case reflect.Interface:
		v.Set(reflect.ValueOf(fmt.Sprintf("any %d", f.n)))
	default:
		f.t.Fatalf("storetest cannot fill a %s: teach it", v.Type())
	}
}

// known fills types of which not every value is allowed.
func (f *filler) known(v reflect.Value) bool {
	var value any
	switch v.Interface().(type) {
	case time.Time:
		zone := time.FixedZone("elsewhere", 3600)
		value = noon().Add(time.Duration(f.n)*time.Hour + time.Duration(f.n)*time.Microsecond).In(zone)
	case json.RawMessage:
		value = json.RawMessage(fmt.Sprintf(`{"raw": %d.50}`, f.n))
	case []byte:
		value = append([]byte{0, 0xff}, strconv.Itoa(f.n)...)
	case broker.State:
		value = broker.Suspended
	case broker.Retain:
		value = broker.RetainSealed
	case broker.PlacementStep:
		value = broker.PlacementProven
	case broker.OperationState:
		value = broker.UndecidedState
	case broker.KeeperState:
		value = broker.KeeperRetired
	case broker.EnrolmentKind:
		value = broker.EnrolTarget
	default:
		return false
	}
	v.Set(reflect.ValueOf(value))
	return true
}

func (f *filler) fillMap(v reflect.Value) {
	v.Set(reflect.MakeMap(v.Type()))
	for range 2 {
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		f.fill(key)
		f.fill(value)
		v.SetMapIndex(key, value)
	}
}

// fullChange fills every record that a change can insert, linked as records are.
func fullChange(f *filler) broker.Change {
	key := filled[broker.Key](f)
	version := filled[broker.KeyVersion](f)
	version.KeyID = key.ID
	placements := filled[[]broker.Placement](f)
	for i := range placements {
		placements[i].KeyID, placements[i].Number = key.ID, version.Number
	}
	operation := filled[broker.Operation](f)
	effect := filled[broker.EffectRecord](f)
	effect.Effect.Operation = operation.ID
	effect.Result, effect.DoneAt = nil, time.Time{}
	enrolment := filled[broker.Enrolment](f)
	wrapping := filled[broker.KeptWrappingKey](f)
	keepers := filled[[]broker.KeptKeeper](f)
	retained := filled[broker.Retained](f)
	retained.KeyID, retained.Number, retained.Keeper, retained.Ended = key.ID, version.Number, keepers[1].ID, ""
	entry := filled[broker.Entry](f)
	entry.Operation = operation.ID
	return broker.Change{
		Entry: entry, NewKey: &key, NewVersion: &version, Placements: placements,
		NewOperation: &operation, Intent: &effect, Enrolment: &enrolment, WrappingKey: &wrapping,
		Retained: &retained, Keepers: keepers,
	}
}
