package broker_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/keyferry/keyferry/broker"
	providers "github.com/keyferry/keyferry/providers/memory"
)

// stopped is an import at newest and cloud that was denied at a call; its operation.
func (w *world) stopped(t *testing.T, call string, targets ...string) string {
	t.Helper()
	w.inject = func(c string, before bool) error {
		if c == call && before {
			return broker.Denied
		}
		return nil
	}
	req := broker.ImportRequest{Name: "k", Spec: broker.ECP256, Targets: targets, Why: broker.Why{Reason: "test"}}
	if _, err := w.run(nil).Import(t.Context(), req); !errors.Is(err, broker.Denied) {
		t.Fatal(err)
	}
	w.inject = nil
	for op, err := range w.store.Operations(t.Context(), broker.OperationFilter{KeyName: "k"}) {
		if err != nil {
			t.Fatal(err)
		}
		return op.Operation.ID
	}
	t.Fatal("no operation is on record")
	return ""
}

// Where a key comes to be with its first import, somebody else may have made one of the
// name meanwhile: taking our import back leaves it alone.
func TestAbortLeavesSomebodyElsesKeyAlone(t *testing.T) {
	t.Parallel()
	for _, call := range []string{"newest wrapping-key", "newest import"} {
		t.Run(call, func(t *testing.T) {
			t.Parallel()
			w := clouds(t)
			id := w.stopped(t, call, "newest")
			theirs := providers.Plant{In: broker.PrepareIn{Name: "theirs", KeyID: "theirs", RemoteName: "k", Spec: broker.ECP256, Purpose: broker.Sign}, Material: pkcs8(t)}
			ref, err := w.provider("newest").Plant(theirs)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := w.run(nil).Abort(t.Context(), broker.AbortRequest{Operation: id, Why: broker.Why{Reason: "test"}}); err != nil {
				t.Fatal(err)
			}
			for o, err := range w.provider("newest").Look(t.Context(), broker.Query{Key: &ref}) {
				if err != nil || o.State != broker.RemoteEnabled {
					t.Errorf("their key is %s, %v", o.State, err)
				}
			}
			w.auditHolds(t)
		})
	}
}

// An import that a cloud accepted and could not finish ends as failed, with the
// cloud's reason, and can be taken back.
func TestAnImportThatACloudCouldNotFinish(t *testing.T) {
	t.Parallel()
	w := bareWorld(t, quick())
	keys, err := wrappingKeys()
	if err != nil {
		t.Fatal(err)
	}
	p, err := providers.New(providers.Config{
		Account: account, Capabilities: numbered(), WrappingKeys: keys, Now: func() time.Time { return w.now },
		Importing: func() providers.Importing { return providers.Importing{Fails: "the wrapped key is malformed"} },
	})
	if err != nil {
		t.Fatal(err)
	}
	w.others = []broker.Target{{
		Name: "numbered", Provider: p, Environment: "test", Genuine: true, Pins: map[string]string{broker.PinAccount: account, "region": "there"},
	}}
	w.enrol()
	req := broker.ImportRequest{Name: "k", Spec: broker.ECP256, Targets: []string{"numbered"}, Why: broker.Why{Reason: "test"}}
	for range 2 {
		_, err := w.run(nil).Import(t.Context(), req)
		if err == nil || !strings.Contains(err.Error(), "the wrapped key is malformed") {
			t.Fatalf("%v", err)
		}
		if told, ok := errors.AsType[*broker.Error](err); !ok || strings.Contains(told.Hint, "operation resume") || !strings.Contains(told.Hint, "operation abort") {
			t.Errorf("what is spent is not resumed: %+v", told)
		}
	}
	var id string
	for op, err := range w.store.Operations(t.Context(), broker.OperationFilter{KeyName: "k"}) {
		if err != nil {
			t.Fatal(err)
		}
		id = op.Operation.ID
	}
	if _, err := w.run(nil).Abort(t.Context(), broker.AbortRequest{Operation: id, Why: broker.Why{Reason: "test"}}); err != nil {
		t.Fatal(err)
	}
}
