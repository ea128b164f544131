package pkcs11

import (
	"context"
	"errors"
	"fmt"

	"github.com/keyferry/keyferry/broker"
	p11 "github.com/miekg/pkcs11"
)

// login finds the token, opens the anchor session and logs in there.
func (t *Token) login(ctx context.Context) (*session, slotInfo, error) {
	slot, err := findSlot(ctx, t.module, t.config.TokenLabel, t.serial)
	if err != nil {
		return nil, slotInfo{}, &broker.Error{Kind: broker.Unavailable, Op: "reach", Object: t.name(), Cause: err, Hint: "put the token back"}
	}
	anchor, err := openSession(ctx, t.module, slot.id)
	if err != nil {
		return nil, slotInfo{}, failed("open a session of", t.name(), err)
	}
	if slot.token.Flags&p11.CKF_LOGIN_REQUIRED == 0 && !t.config.Officer {
		return anchor, slot, nil
	}
	if err := t.enterPIN(ctx, anchor, slot.token.Flags); err != nil {
		_ = anchor.ctx.CloseSession(anchor.handle) // nothing was done in it
		return nil, slotInfo{}, failed("log in to", t.name(), err)
	}
	t.log.DebugContext(ctx, "logged in", "token", t.config.TokenLabel, "serial", t.serial)
	return anchor, slot, nil
}

// enterPIN logs in with one try. A PIN that was refused once is not asked for
// again, and none is tried where one more failure would lock the token.
func (t *Token) enterPIN(ctx context.Context, s *session, flags uint) error {
	if info, err := s.state(ctx); err != nil || !t.config.Officer && (info.State == p11.CKS_RW_USER_FUNCTIONS || info.State == p11.CKS_RO_USER_FUNCTIONS) {
		return err // somebody in this process is logged in already: no PIN is needed
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.pinRefused != nil {
		return t.pinRefused
	}
	if err := t.pinUsable(flags); err != nil {
		return err
	}
	pin, err := t.config.PIN(ctx)
	if err != nil {
		return fmt.Errorf("read the PIN: %w", err)
	}
	defer clear(pin)
	user := uint(p11.CKU_USER)
	if t.config.Officer {
		user = p11.CKU_SO
	}
	_, err = call(ctx, "C_Login", nothing(func() error { return s.ctx.Login(s.handle, user, string(pin)) }))
	if is(err, p11.CKR_USER_ALREADY_LOGGED_IN) {
		return nil
	}
	if e, ok := errors.AsType[*callError](err); ok && e.kind() == broker.Denied {
		t.pinRefused = failed("log in to", t.name(), err)
	}
	return err
}

// pinUsable reads what the token says of its PIN before one is tried.
func (t *Token) pinUsable(flags uint) error {
	denied := func(why, hint string) error {
		return &broker.Error{Kind: broker.Denied, Op: "log in to", Object: t.name(), Cause: errors.New(why), Hint: hint}
	}
	switch {
	case t.config.Officer && flags&p11.CKF_SO_PIN_LOCKED != 0:
		return denied("the security officer's PIN is locked; none was tried", "the vendor's document says what can be done")
	case t.config.Officer && flags&p11.CKF_SO_PIN_FINAL_TRY != 0:
		return denied("one more wrong PIN would lock the security officer out; none was tried", "log in once with the vendor's tool: a right PIN resets the count")
	case t.config.PIN == nil && t.config.Officer:
		return noSource(t.name())
	case t.config.Officer:
		return nil
	case flags&p11.CKF_USER_PIN_LOCKED != 0:
		return denied("the user PIN is locked; none was tried", "the security officer can unlock it with the vendor's tool")
	case flags&p11.CKF_USER_PIN_FINAL_TRY != 0:
		return denied("one more wrong PIN would lock the token; none was tried", "log in once with the vendor's tool: a right PIN resets the count")
	case flags&p11.CKF_USER_PIN_INITIALIZED == 0:
		return denied("the token has no user PIN", "set one with the vendor's tool")
	case t.config.PIN == nil:
		return noSource(t.name())
	}
	return nil
}

func noSource(token string) error {
	return refuse(broker.Misuse, "log in to", token, "no source of the PIN is configured")
}
