package pkcs11

import (
	"context"

	p11 "github.com/miekg/pkcs11"
)

// healthID is the CKA_ID of the object that Health makes.
const healthID = "keyferry-health"

// Health makes a key in the token and destroys it, with those that a killed run
// may have left: what a removed or full token still answers proves nothing.
func (t *Token) Health(ctx context.Context) error {
	return t.do(ctx, "check the health of", t.name(), func(s *session) error {
		_, err := s.generateKey(ctx, p11.CKM_AES_KEY_GEN, healthTemplate())
		if err != nil {
			return err
		}
		all, err := s.find(context.WithoutCancel(ctx), template{attribute(p11.CKA_ID, healthID)})
		if err != nil {
			return err
		}
		for _, h := range all {
			if err := s.destroy(ctx, h); err != nil {
				return err
			}
		}
		return nil
	})
}
