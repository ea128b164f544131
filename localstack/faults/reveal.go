package faults

import (
	"context"
	"net/http"
)

// Revealed is material as an emulator unwrapped it, with what it came in: for tests that
// look for it where it must not be.
type Revealed struct {
	Key     string `json:"key"`     // ref
	Name    string `json:"name"`    // of the key
	Raw     []byte `json:"raw"`     // a secret's bytes, or a pair's PKCS #8
	Wrapped []byte `json:"wrapped"` // as it was sent
	Token   []byte `json:"token"`   // the import token that was sent with it
}

// Revealer is a Subject that gives out what it unwrapped, if it was started so: no
// configuration that it can be sent turns that on.
type Revealer interface {
	Revealed() (all []Revealed, on bool)
}

// reveal answers GET /materials; an emulator that reveals nothing has no such page.
func (a admin) reveal(w http.ResponseWriter, r *http.Request) {
	if s, ok := a.subject.(Revealer); ok {
		if all, on := s.Revealed(); on {
			reply(w, http.StatusOK, all)
			return
		}
	}
	http.NotFound(w, r)
}

// Revealed is every material that was imported, oldest first.
func (c Client) Revealed(ctx context.Context) ([]Revealed, error) {
	var out []Revealed
	return out, c.call(ctx, http.MethodGet, "/materials", nil, &out)
}
