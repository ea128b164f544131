package shim_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/keyferry/keyferry/hsm/softtoken"
	"github.com/keyferry/keyferry/hsm/softtoken/shim"
	"github.com/miekg/pkcs11"
)

func TestHeldCallWaitsAndTheOthersDoNot(t *testing.T) {
	each(t, func(t *testing.T, b bench) {
		session, other := b.login(t), b.open(t)
		p := b.shim.On(shim.Rule{Function: "C_GenerateKey", Nth: 1, Hold: true})
		made := make(chan error, 1)
		go func() {
			_, err := b.aes(session, true)
			made <- err
		}()
		held, err := p.Wait(soon(t))
		must(t, err)
		if held.Forwarded || held.PID != os.Getpid() || held.Function != "C_GenerateKey" {
			t.Errorf("held %+v", held)
		}
		if n := b.kept(t, other); n != 0 {
			t.Errorf("%d keys although the call is held before the token", n)
		}
		_, err = b.aes(other, true)
		must(t, err)
		select {
		case err := <-made:
			t.Errorf("the held call is back: %v", err)
		default:
		}
		p.Release()
		p.Release() // again does nothing
		must(t, <-made)
		if n := b.kept(t, other); n != 2 {
			t.Errorf("%d keys, want both", n)
		}
	})
}

func TestHeldAfterMeansDone(t *testing.T) {
	each(t, func(t *testing.T, b bench) {
		session, other := b.login(t), b.open(t)
		p := b.shim.On(shim.Rule{TokenObject: true, When: shim.After, Hold: true, Result: pkcs11.CKR_DEVICE_ERROR})
		made := make(chan error, 1)
		go func() {
			_, err := b.aes(session, true)
			made <- err
		}()
		held, err := p.Wait(soon(t))
		must(t, err)
		if !held.Forwarded || held.Done || held.Real != 0 {
			t.Errorf("held %+v", held)
		}
		if n := b.kept(t, other); n != 1 {
			t.Errorf("%d keys, want the one that is made", n)
		}
		p.Remove()
		wants(t, <-made, pkcs11.CKR_DEVICE_ERROR)
	})
}

func TestPauseWaitsForWhatIsUnderWayAndHoldsTheRest(t *testing.T) {
	each(t, func(t *testing.T, b bench) {
		session, other := b.login(t), b.open(t)
		b.shim.On(shim.Rule{Function: "C_GenerateKey", When: shim.After}) // an older rule is in nobody's way
		before := b.shim.On(shim.Rule{Function: "C_GenerateKeyPair", When: shim.Before})
		paired := make(chan error, 1)
		go func() {
			_, _, err := b.rsa(session)
			paired <- err
		}()
		_, err := before.Wait(soon(t))
		must(t, err)
		resume, err := b.shim.Pause(soon(t), "C_GenerateKeyPair", "C_GenerateKey")
		must(t, err)
		if n := b.kept(t, other); n != 2 {
			t.Errorf("the module was still at a pair of keys: %d are there", n)
		}
		made := make(chan error, 1)
		go func() {
			_, err := b.aes(other, true)
			made <- err
		}()
		select {
		case err := <-made:
			t.Errorf("paused, it is back: %v", err)
		case <-time.After(100 * time.Millisecond):
		}
		resume()
		must(t, <-paired)
		must(t, <-made)
	})
}

func TestConditionOfTheMomentOfReleaseCounts(t *testing.T) {
	each(t, func(t *testing.T, b bench) {
		session := b.login(t)
		p := b.shim.On(shim.Rule{Function: "C_GenerateKey", Hold: true})
		made := make(chan error, 1)
		go func() {
			_, err := b.aes(session, true)
			made <- err
		}()
		_, err := p.Wait(soon(t))
		must(t, err)
		b.shim.Set(shim.Condition{Full: true})
		p.Release()
		wants(t, <-made, pkcs11.CKR_DEVICE_MEMORY)
	})
}

func TestWaitEndsWithItsContext(t *testing.T) {
	_, s := newShim(t, softtoken.SoftHSM)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.On(shim.Rule{Function: "C_Sign"}).Wait(ctx); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestCloseLetsGoWhatIsHeld(t *testing.T) {
	token, err := softtoken.New(t.Context(), softtoken.SoftHSM, t.TempDir(), "held")
	must(t, err)
	s, err := shim.Start(t.Context(), token.Module)
	must(t, err)
	p := s.On(shim.Rule{Function: "C_GetTokenInfo", Hold: true, Delay: time.Hour})
	child := showSlots(t, token, s)
	must(t, child.Start())
	_, err = p.Wait(soon(t))
	must(t, err)
	must(t, s.Close())
	_ = child.Wait() // its later calls find nobody: it may fail
	if _, err := os.Stat(s.Module()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the module is still there: %v", err)
	}
}

func TestChildProcessIsAskedAboutToo(t *testing.T) {
	token, s := newShim(t, softtoken.SoftHSM)
	s.On(shim.Rule{Function: "C_GetTokenInfo", Result: pkcs11.CKR_DEVICE_ERROR})
	child := showSlots(t, token, s)
	out, _ := child.CombinedOutput() // softhsm2-util does not fail for one slot
	if strings.Contains(string(out), token.Serial) {
		t.Errorf("the token is seen although C_GetTokenInfo fails:\n%s", out)
	}
	calls := s.Calls("C_GetTokenInfo")
	if len(calls) == 0 || calls[0].PID != child.Process.Pid || calls[0].Result != pkcs11.CKR_DEVICE_ERROR {
		t.Errorf("calls %+v; the child is %d:\n%s", calls, child.Process.Pid, out)
	}
}

func TestKilledProcessEndsItsHeldCall(t *testing.T) {
	for name, when := range map[string]shim.When{"before": shim.Before, "after": shim.After} {
		t.Run(name, func(t *testing.T) {
			token, s := newShim(t, softtoken.SoftHSM)
			p := s.On(shim.Rule{Function: "C_GetTokenInfo", When: when, Hold: true})
			child := showSlots(t, token, s)
			must(t, child.Start())
			held, err := p.Wait(soon(t))
			must(t, err)
			must(t, child.Process.Kill())
			_ = child.Wait() // says that it was killed
			if held.PID != child.Process.Pid {
				t.Errorf("held %+v, the child is %d", held, child.Process.Pid)
			}
			calls := s.Calls("C_GetTokenInfo")
			if len(calls) != 1 || calls[0].Done || calls[0].Forwarded != (when == shim.After) {
				t.Errorf("calls %+v", calls)
			}
		})
	}
}

func showSlots(t *testing.T, token softtoken.Token, s *shim.Shim) *exec.Cmd {
	t.Helper()
	child := exec.CommandContext(t.Context(), "softhsm2-util", "--module", s.Module(), "--show-slots")
	child.Env = append(os.Environ(), token.Env...)
	return child
}
