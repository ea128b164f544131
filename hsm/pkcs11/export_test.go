package pkcs11

import "github.com/keyferry/keyferry/broker"

// Remembers reports whether the handles of material are known without a search.
func (t *Token) Remembers(id broker.MaterialID) bool {
	t.made.mu.Lock()
	defer t.made.mu.Unlock()
	_, ok := t.made.pair[id]
	return ok
}
