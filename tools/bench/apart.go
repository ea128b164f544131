package main

import (
	"context"
	"slices"
	"strings"

	"github.com/keyferry/keyferry/hsm/softtoken"
)

// putApart puts the token into a process of its own, behind p11-kit's relay: what is resident of keyferry is then keyferry's. The
// relay lets no AES-ECB through, by which an AES key's way is probed: such a site brings HMAC keys.
func (s *site) putApart(ctx context.Context) error {
	module, err := softtoken.RelayModule()
	if err != nil {
		return err
	}
	env, stop, err := s.token.Serve(ctx)
	if err != nil {
		return err
	}
	s.stopToken, s.token.Module, s.spec = stop, module, "hmac-256"
	s.token.Env = slices.DeleteFunc(s.token.Env, func(e string) bool { return strings.HasPrefix(e, "SOFTHSM2_CONF=") })
	s.token.Env = append(s.token.Env, env)
	return nil
}
