package broker

import (
	"bytes"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// The challenge is bound to what it is about: with the same random bytes, any
// other subject gives another message.
func TestChallengeIsBoundToItsSubject(t *testing.T) {
	t.Parallel()
	now, nonce := time.Unix(1, 2), make([]byte, 32)
	s := ChallengeSubject{
		Effect: "e", Provider: "p", Account: "a", Ref: VersionRef{Key: KeyRef{ID: "k"}, ID: "v"}, Purpose: Sign,
	}
	base := challengeMessage(s, nonce, now)
	for name, change := range map[string]func(*ChallengeSubject){
		"effect": func(s *ChallengeSubject) { s.Effect = "E" }, "provider": func(s *ChallengeSubject) { s.Provider = "P" },
		"account": func(s *ChallengeSubject) { s.Account = "A" }, "key": func(s *ChallengeSubject) { s.Ref.Key.ID = "K" },
		"version": func(s *ChallengeSubject) { s.Ref.ID = "V" }, "purpose": func(s *ChallengeSubject) { s.Purpose = Decrypt },
		"a letter moved over": func(s *ChallengeSubject) { s.Effect, s.Provider = "ep", "" },
	} {
		other := s
		change(&other)
		if bytes.Equal(base, challengeMessage(other, nonce, now)) {
			t.Errorf("another %s, the same challenge", name)
		}
	}
	if bytes.Equal(base, challengeMessage(s, nonce, now.Add(1))) {
		t.Error("another time, the same challenge")
	}
	nonce2 := bytes.Repeat([]byte{1}, 32)
	if bytes.Equal(base, challengeMessage(s, nonce2, now)) {
		t.Error("other random bytes, the same challenge")
	}
}

func TestChallengeMessageIsInjective(t *testing.T) {
	t.Parallel()
	subjects := rapid.Custom(func(t *rapid.T) ChallengeSubject {
		text := rapid.SampledFrom([]string{"", "a", "aa", "\x00", "a\x00"})
		return ChallengeSubject{
			Effect: text.Draw(t, "effect"), Provider: text.Draw(t, "provider"), Account: text.Draw(t, "account"),
			Ref: VersionRef{Key: KeyRef{ID: text.Draw(t, "key")}, ID: text.Draw(t, "version")}, Purpose: Purpose(text.Draw(t, "purpose")),
		}
	})
	rapid.Check(t, func(rt *rapid.T) {
		a, b := subjects.Draw(rt, "a"), subjects.Draw(rt, "b")
		same := bytes.Equal(challengeMessage(a, make([]byte, 32), time.Unix(1, 0)), challengeMessage(b, make([]byte, 32), time.Unix(1, 0)))
		if same != reflect.DeepEqual(a, b) {
			rt.Fatalf("%+v and %+v", a, b)
		}
	})
}
