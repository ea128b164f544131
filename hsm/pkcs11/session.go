package pkcs11

import (
	"context"
	"slices"

	"github.com/keyferry/keyferry/broker"
	p11 "github.com/miekg/pkcs11"
)

// session is one PKCS #11 session, used by one goroutine at a time: a module
// given two operations on one session mixes them up, some without an error. Each
// method is one C_ call that is not begun once ctx has ended.
type session struct {
	ctx    *p11.Ctx
	handle p11.SessionHandle
	epoch  int // of the login it was opened under

	keepers map[broker.KeeperID]handle // that were found and checked in it
	sealing *sealKey                   // once it was found and checked in it
}

type (
	handle   = p11.ObjectHandle
	template = []*p11.Attribute
)

// call makes one call that changes nothing which is stored in the token.
func call[T any](ctx context.Context, name string, f func() (T, error)) (T, error) {
	return invoke(ctx, name, false, f)
}

// change makes one call after which the token may hold something else.
func change[T any](ctx context.Context, name string, f func() (T, error)) (T, error) {
	return invoke(ctx, name, true, f)
}

func invoke[T any](ctx context.Context, name string, changes bool, f func() (T, error)) (T, error) {
	if err := ctx.Err(); err != nil {
		var zero T
		return zero, err
	}
	out, err := f()
	return out, named(name, changes, err)
}

// nothing is f with a result that says nothing.
func nothing(f func() error) func() (struct{}, error) {
	return func() (struct{}, error) { return struct{}{}, f() }
}

// mechanism is the list of one that the library wants. param is nil, bytes, or
// one of its parameter types.
func mechanism(number uint, param any) []*p11.Mechanism {
	return []*p11.Mechanism{p11.NewMechanism(number, param)}
}

func (s *session) state(ctx context.Context) (p11.SessionInfo, error) {
	return call(ctx, "C_GetSessionInfo", func() (p11.SessionInfo, error) { return s.ctx.GetSessionInfo(s.handle) })
}

func (s *session) generateKey(ctx context.Context, number uint, t template) (handle, error) {
	return uncopyable(t, func(t template) (handle, error) {
		return change(ctx, "C_GenerateKey", func() (handle, error) { return s.ctx.GenerateKey(s.handle, mechanism(number, nil), t) })
	})
}

func (s *session) generatePair(ctx context.Context, number uint, public, private template) (pair, error) {
	return uncopyable(private, func(private template) (pair, error) {
		return change(ctx, "C_GenerateKeyPair", func() (p pair, err error) {
			p.public, p.private, err = s.ctx.GenerateKeyPair(s.handle, mechanism(number, nil), public, private)
			return p, err
		})
	})
}

// uncopyable makes what cannot be copied: some tokens let a copy of what is
// unmodifiable have uses that the original has not. A token older than CKA_COPYABLE
// (PKCS #11 v2.40) is asked again without it.
func uncopyable[T any](t template, f func(template) (T, error)) (T, error) {
	made, err := f(append(slices.Clip(t), attribute(p11.CKA_COPYABLE, false)))
	if is(err, p11.CKR_ATTRIBUTE_TYPE_INVALID) {
		return f(t)
	}
	return made, err
}

func (s *session) create(ctx context.Context, t template) (handle, error) {
	return change(ctx, "C_CreateObject", func() (handle, error) { return s.ctx.CreateObject(s.handle, t) })
}

func (s *session) copy(ctx context.Context, h handle, t template) (handle, error) {
	return change(ctx, "C_CopyObject", func() (handle, error) { return s.ctx.CopyObject(s.handle, h, t) })
}

// destroy is not stopped by the end of ctx: what was made must go. An object that
// is gone already is no error.
func (s *session) destroy(ctx context.Context, h handle) error {
	_, err := change(context.WithoutCancel(ctx), "C_DestroyObject", nothing(func() error { return s.ctx.DestroyObject(s.handle, h) }))
	if is(err, p11.CKR_OBJECT_HANDLE_INVALID) {
		return nil
	}
	return err
}

func (s *session) set(ctx context.Context, h handle, t template) error {
	_, err := change(ctx, "C_SetAttributeValue", nothing(func() error { return s.ctx.SetAttributeValue(s.handle, h, t) }))
	return err
}

func (s *session) attributes(ctx context.Context, h handle, t template) (template, error) {
	return call(ctx, "C_GetAttributeValue", func() (template, error) { return s.ctx.GetAttributeValue(s.handle, h, t) })
}

func (s *session) wrapKey(ctx context.Context, m []*p11.Mechanism, under, key handle) ([]byte, error) {
	return call(ctx, "C_WrapKey", func() ([]byte, error) { return s.ctx.WrapKey(s.handle, m, under, key) })
}

func (s *session) unwrapKey(ctx context.Context, m []*p11.Mechanism, under handle, wrapped []byte, t template) (handle, error) {
	return uncopyable(t, func(t template) (handle, error) {
		return change(ctx, "C_UnwrapKey", func() (handle, error) { return s.ctx.UnwrapKey(s.handle, m, under, wrapped, t) })
	})
}

func (s *session) sign(ctx context.Context, number uint, key handle, message []byte) ([]byte, error) {
	_, err := call(ctx, "C_SignInit", nothing(func() error { return s.ctx.SignInit(s.handle, mechanism(number, nil), key) }))
	if err != nil {
		return nil, err
	}
	return call(ctx, "C_Sign", func() ([]byte, error) { return s.ctx.Sign(s.handle, message) })
}

func (s *session) encrypt(ctx context.Context, m []*p11.Mechanism, key handle, message []byte) ([]byte, error) {
	_, err := call(ctx, "C_EncryptInit", nothing(func() error { return s.ctx.EncryptInit(s.handle, m, key) }))
	if err != nil {
		return nil, err
	}
	return call(ctx, "C_Encrypt", func() ([]byte, error) { return s.ctx.Encrypt(s.handle, message) })
}

func (s *session) random(ctx context.Context, n int) ([]byte, error) {
	return call(ctx, "C_GenerateRandom", func() ([]byte, error) { return s.ctx.GenerateRandom(s.handle, n) })
}

// find returns every object that matches.
func (s *session) find(ctx context.Context, t template) ([]handle, error) {
	_, err := call(ctx, "C_FindObjectsInit", nothing(func() error { return s.ctx.FindObjectsInit(s.handle, t) }))
	if err != nil {
		return nil, err
	}
	var all []handle
	for {
		some, err := call(ctx, "C_FindObjects", func() ([]handle, error) {
			found, _, err := s.ctx.FindObjects(s.handle, 100)
			return found, err
		})
		if err != nil {
			return nil, err // the pool closes a session after an error, and the search with it
		}
		if all = append(all, some...); len(some) == 0 {
			break
		}
	}
	_, err = call(ctx, "C_FindObjectsFinal", nothing(func() error { return s.ctx.FindObjectsFinal(s.handle) }))
	return all, err
}
