package shim_test

import (
	"sync"
	"sync/atomic"
	"testing"

	"github.com/keyferry/keyferry/hsm/softtoken/shim"
	"github.com/miekg/pkcs11"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestLimitHoldsForManyAtOnce(t *testing.T) {
	each(t, func(t *testing.T, b bench) {
		const asked, limit = 32, 5
		b.shim.Set(shim.Condition{MaxSessions: limit})
		var opened, refused atomic.Int32
		var all sync.WaitGroup
		for range asked {
			all.Go(func() {
				switch _, err := b.OpenSession(b.token.Slot, pkcs11.CKF_SERIAL_SESSION); ckr(err) {
				case pkcs11.CKR_OK:
					opened.Add(1)
				case pkcs11.CKR_SESSION_COUNT:
					refused.Add(1)
				default:
					t.Error(err)
				}
			})
		}
		all.Wait()
		if opened.Load() != limit || refused.Load() != asked-limit {
			t.Errorf("%d opened, %d refused", opened.Load(), refused.Load())
		}
	})
}

func TestOneOfManyIsTheNth(t *testing.T) {
	each(t, func(t *testing.T, b bench) {
		const calls = 64
		p := b.shim.On(shim.Rule{Function: "C_GetInfo", Nth: calls / 2, Result: pkcs11.CKR_FUNCTION_FAILED})
		var failed atomic.Int32
		var all sync.WaitGroup
		for range calls {
			all.Go(func() {
				if _, err := b.GetInfo(); err != nil {
					failed.Add(1)
				}
			})
		}
		all.Wait()
		if failed.Load() != 1 || p.Hits() != 1 {
			t.Errorf("%d calls failed, %d hits", failed.Load(), p.Hits())
		}
		seen := map[int]bool{}
		for _, c := range b.shim.Calls("C_GetInfo") {
			seen[c.Seq] = true
		}
		if len(seen) != calls {
			t.Errorf("%d numbers for %d calls", len(seen), calls)
		}
	})
}
