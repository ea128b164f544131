package shim_test

import (
	"testing"

	"github.com/keyferry/keyferry/hsm/softtoken/shim"
	"github.com/miekg/pkcs11"
)

func TestSessionLimit(t *testing.T) {
	each(t, func(t *testing.T, b bench) {
		first := b.open(t)
		b.shim.Set(shim.Condition{MaxSessions: 2})
		b.open(t)
		_, err := b.OpenSession(b.token.Slot, pkcs11.CKF_SERIAL_SESSION)
		wants(t, err, pkcs11.CKR_SESSION_COUNT)
		must(t, b.CloseSession(first))
		b.open(t)
		info, err := b.GetTokenInfo(b.token.Slot)
		must(t, err)
		if info.MaxSessionCount != 2 || info.MaxRwSessionCount != 2 {
			t.Errorf("the token tells of %d sessions", info.MaxSessionCount)
		}
		must(t, b.CloseAllSessions(b.token.Slot))
		b.open(t)
		b.open(t)
	})
}

func TestRefusedSessionIsNotCounted(t *testing.T) {
	each(t, func(t *testing.T, b bench) {
		b.shim.Set(shim.Condition{MaxSessions: 1})
		if _, err := b.OpenSession(b.token.Slot+1000, pkcs11.CKF_SERIAL_SESSION); err == nil {
			t.Fatal("a session in a slot that is not there")
		}
		b.open(t)
	})
}

func TestPINLockedOrIncorrect(t *testing.T) {
	each(t, func(t *testing.T, b bench) {
		session := b.open(t)
		for _, row := range []struct {
			condition shim.Condition
			want      uint
			flag      uint
		}{
			{shim.Condition{PINLocked: true}, pkcs11.CKR_PIN_LOCKED, pkcs11.CKF_USER_PIN_LOCKED},
			{shim.Condition{PINIncorrect: true}, pkcs11.CKR_PIN_INCORRECT, pkcs11.CKF_USER_PIN_COUNT_LOW},
		} {
			b.shim.Set(row.condition)
			wants(t, b.Login(session, pkcs11.CKU_USER, b.pin), row.want)
			if info, err := b.GetTokenInfo(b.token.Slot); err != nil || info.Flags&row.flag == 0 {
				t.Errorf("%+v: flags %#x, %v", row.condition, info.Flags, err)
			}
		}
		b.shim.Set(shim.Condition{})
		must(t, b.Login(session, pkcs11.CKU_USER, b.pin))
		if tries := b.shim.Calls("C_Login"); len(tries) != 3 || tries[0].Forwarded || tries[1].Forwarded || !tries[2].Forwarded {
			t.Errorf("tries %+v", tries)
		}
	})
}

func TestWriteProtectedToken(t *testing.T) {
	each(t, func(t *testing.T, b bench) {
		before := b.login(t)
		b.shim.Set(shim.Condition{WriteProtected: true})
		_, err := b.OpenSession(b.token.Slot, pkcs11.CKF_SERIAL_SESSION|pkcs11.CKF_RW_SESSION)
		wants(t, err, pkcs11.CKR_TOKEN_WRITE_PROTECTED)
		_, err = b.OpenSession(b.token.Slot, pkcs11.CKF_SERIAL_SESSION)
		must(t, err)
		_, err = b.aes(before, true)
		wants(t, err, pkcs11.CKR_TOKEN_WRITE_PROTECTED)
		_, err = b.aes(before, false)
		must(t, err)
		if info, err := b.GetTokenInfo(b.token.Slot); err != nil || info.Flags&pkcs11.CKF_WRITE_PROTECTED == 0 {
			t.Errorf("flags %#x, %v", info.Flags, err)
		}
	})
}

func TestFullTokenStillMakesSessionObjects(t *testing.T) {
	each(t, func(t *testing.T, b bench) {
		session := b.login(t)
		b.shim.Set(shim.Condition{Full: true})
		_, err := b.aes(session, true)
		wants(t, err, pkcs11.CKR_DEVICE_MEMORY)
		_, err = b.CreateObject(session, []*pkcs11.Attribute{
			pkcs11.NewAttribute(pkcs11.CKA_CLASS, pkcs11.CKO_DATA),
			pkcs11.NewAttribute(pkcs11.CKA_TOKEN, true),
			pkcs11.NewAttribute(pkcs11.CKA_VALUE, []byte("kept")),
		})
		wants(t, err, pkcs11.CKR_DEVICE_MEMORY)
		_, err = b.aes(session, false)
		must(t, err)
		b.shim.Set(shim.Condition{})
		_, err = b.aes(session, true)
		must(t, err)
	})
}

func TestTokenRemovedAndPutBack(t *testing.T) {
	each(t, func(t *testing.T, b bench) {
		session := b.login(t)
		_, err := b.aes(session, true)
		must(t, err)
		present := b.slots(t)

		b.shim.Set(shim.Condition{Removed: true})
		if n := b.slots(t); n != 0 {
			t.Errorf("%d slots with a token", n)
		}
		if info, err := b.GetSlotInfo(b.token.Slot); err != nil || info.Flags&pkcs11.CKF_TOKEN_PRESENT != 0 {
			t.Errorf("slot flags %#x, %v", info.Flags, err)
		}
		_, err = b.GetTokenInfo(b.token.Slot)
		wants(t, err, pkcs11.CKR_TOKEN_NOT_PRESENT)
		_, err = b.OpenSession(b.token.Slot, pkcs11.CKF_SERIAL_SESSION)
		wants(t, err, pkcs11.CKR_TOKEN_NOT_PRESENT)
		_, err = b.aes(session, false)
		wants(t, err, pkcs11.CKR_DEVICE_REMOVED)

		b.shim.Set(shim.Condition{})
		if n := b.slots(t); n != present {
			t.Errorf("%d slots, want %d", n, present)
		}
		_, err = b.aes(session, false)
		wants(t, err, pkcs11.CKR_SESSION_HANDLE_INVALID)
		again := b.open(t)
		if b.kept(t, again) != 0 {
			t.Error("private objects are seen: somebody is still logged in")
		}
		must(t, b.Login(again, pkcs11.CKU_USER, b.pin))
		if b.kept(t, again) != 1 {
			t.Error("the key did not survive")
		}
	})
}

func TestLimitStartsAnewAfterRemoval(t *testing.T) {
	each(t, func(t *testing.T, b bench) {
		b.open(t)
		b.shim.Set(shim.Condition{Removed: true})
		b.shim.Set(shim.Condition{MaxSessions: 1})
		b.open(t) // the session of before does not count
	})
}
