package pkcs11

import (
	"context"
	"sync"

	"github.com/keyferry/keyferry/broker"
	p11 "github.com/miekg/pkcs11"
)

// made are the handles of material that this process stored: what was made a moment ago
// is used without a search, which takes some tokens as long as they have objects. It is as
// many as are on their way: each goes when its import has ended, and all with their login.
type made struct {
	mu    sync.Mutex
	pair  map[broker.MaterialID]madePair
	epoch int // of the newest login that something was kept of
}

// madePair is key and public half, 0 for a secret, as handles of one login.
type madePair struct {
	key, public handle
	epoch       int
}

func (m *made) keep(id broker.MaterialID, p madePair) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.pair == nil || p.epoch > m.epoch {
		m.pair, m.epoch = map[broker.MaterialID]madePair{}, p.epoch
	}
	if p.epoch == m.epoch {
		m.pair[id] = p
	}
}

func (m *made) forget(id broker.MaterialID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.pair, id)
}

func (m *made) get(id broker.MaterialID, epoch int) (p madePair, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	p, ok = m.pair[id]
	return p, ok && p.epoch == epoch
}

// known is the material's handle where this process made it and it is still that; 0 where
// it must be searched for.
func (t *Token) known(ctx context.Context, s *session, id broker.MaterialID) (madePair, error) {
	p, ok := t.made.get(id, s.epoch)
	if !ok {
		return madePair{}, nil
	}
	for _, h := range []handle{p.key, p.public} {
		if h == 0 {
			continue
		}
		got, err := s.read(ctx, h, p11.CKA_ID)
		switch {
		case gone(err), err == nil && string(got[p11.CKA_ID]) != string(id): // others destroyed it, or it is another one's by now
			t.made.forget(id)
			return madePair{}, nil
		case err != nil:
			return madePair{}, err
		}
	}
	return p, nil
}
