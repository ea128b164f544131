package awsemu

import (
	"slices"

	"github.com/keyferry/keyferry/localstack/faults"
)

// noteRevealed keeps what came, if it is to be given out.
func (s *Server) noteRevealed(k *key, raw []byte, in importInput) {
	if s.reveal {
		s.revealed = append(s.revealed, faults.Revealed{
			Key: k.arn, Name: k.tags.is[s.nameTag], Raw: slices.Clone(raw), Wrapped: in.EncryptedKeyMaterial, Token: in.ImportToken,
		})
	}
}

// Revealed implements faults.Revealer.
func (a subjectOf) Revealed() (all []faults.Revealed, on bool) {
	a.s.mu.Lock()
	defer a.s.mu.Unlock()
	return slices.Clone(a.s.revealed), a.s.reveal
}
