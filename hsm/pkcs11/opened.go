package pkcs11

import (
	"context"

	"github.com/keyferry/keyferry/broker"
)

// opened is material that lives as session objects, in the anchor session: as long as
// the login. It is known by its handles, for a search of a full token takes longer than
// everything else that is done with it.
type opened struct {
	key, public handle // public is 0 for a secret, and for what was unwrapped
	epoch       int    // of the login it lives in
	spki        []byte // pairs
}

// open is the material of that id that lives in a login; ok is false where none does.
func (t *Token) open(id broker.MaterialID, epoch int) (o opened, ok bool) {
	t.openMu.Lock()
	defer t.openMu.Unlock()
	o, ok = t.opened[id]
	return o, ok && o.epoch == epoch
}

func (t *Token) remember(id broker.MaterialID, o opened) {
	t.openMu.Lock()
	defer t.openMu.Unlock()
	t.opened[id] = o
}

// forget what is open of an id, and say what that was; ok is false where nothing is.
func (t *Token) forget(id broker.MaterialID) (o opened, ok bool) {
	t.openMu.Lock()
	defer t.openMu.Unlock()
	o, ok = t.opened[id]
	delete(t.opened, id)
	return o, ok
}

// holder is the object that holds the material: what is open, else what is stored.
func (t *Token) holder(ctx context.Context, s *session, op string, m broker.Material) (handle, error) {
	if o, ok := t.open(m.ID, s.epoch); ok {
		return o.key, nil
	}
	if p, err := t.known(ctx, s, m.ID); err != nil || p.key != 0 {
		return p.key, err
	}
	return s.holder(ctx, op, m)
}

// Release ends the session objects of an id, and forgets the handles of what is stored
// under it. Where nothing is open, the token is not asked.
func (t *Token) Release(ctx context.Context, id broker.MaterialID) error {
	if id == "" {
		return refuse(broker.Misuse, "release", "material", "no id is named")
	}
	t.made.forget(id)
	o, ok := t.forget(id)
	if !ok {
		return nil
	}
	return t.do(ctx, "release", "material "+string(id), func(s *session) error {
		if o.epoch != s.epoch {
			return nil // it went with its login
		}
		return s.discard(ctx, o.key, o.public)
	})
}
