package broker_test

import (
	"context"
	"encoding/json"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/keyferry/keyferry/broker"
	tokens "github.com/keyferry/keyferry/hsm/memory"
)

// softly is a store that notes the heads, true of those that no power failure takes back.
type softly struct {
	broker.Store
	mu     sync.Mutex
	synced map[int64]bool
}

func (s *softly) Apply(ctx context.Context, c broker.Change) (broker.Head, error) {
	head, err := s.Store.Apply(ctx, c)
	if err == nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.synced[head.Seq] = s.synced[head.Seq] || !c.Soft // written together, one is enough
	}
	return head, err
}

// recalling is a token that notes what it is told to remember.
type recalling struct {
	*tokens.Token
	told []broker.Head
}

func (r *recalling) SetAnchor(ctx context.Context, name string, record []byte) error {
	var kept struct{ Head broker.Head }
	if err := json.Unmarshal(record, &kept); err != nil {
		return err
	}
	r.told = append(r.told, kept.Head)
	return r.Token.SetAnchor(ctx, name, record)
}

// What a power failure may take back, the token is not told: it would miss it, and the
// store would be taken for an older one.
func TestTheTokenIsToldOnlyWhatIsOnTheDisk(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quick())
	s, r := &softly{Store: w.store, synced: map[int64]bool{}}, &recalling{Token: w.token}
	o := w.options()
	o.Store, o.Token.Token = s, r
	var asked atomic.Int64
	o.Now = func() time.Time { // so late each time that the token is told whenever it can be
		return w.now.Add(time.Duration(asked.Add(1)) * 2 * time.Second)
	}
	b, err := broker.New(o)
	must(t, err)
	for outcome := range b.ImportEach(t.Context(), many(12), 3) {
		must(t, outcome.Err)
	}
	for _, head := range r.told {
		if synced, here := s.synced[head.Seq]; here && !synced {
			t.Errorf("the token was told of head %d, which was not synced", head.Seq)
		}
	}
	if len(r.told) < 6 {
		t.Errorf("the token was told %d times", len(r.told))
	}
	w.auditHolds(t)
}
