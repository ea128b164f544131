package memory_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"testing"
	"time"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/providers/memory"
	"github.com/keyferry/keyferry/providers/memory/memorytest"
)

// shaped is a target of some shape, and what it needs.
type shaped struct {
	*memory.Provider
	clock *memorytest.Clock
	next  memory.Importing
	fault memory.Fault
}

func shape(t *testing.T, caps broker.Capabilities) *shaped {
	t.Helper()
	s := &shaped{clock: memorytest.NewClock()}
	var err error
	s.Provider, err = memory.New(memory.Config{
		Capabilities: caps, WrappingKeys: memorytest.WrappingKeys(), Now: s.clock.Now,
		Importing: func() memory.Importing { return s.next },
		Fault: func(call string, committed bool) error {
			if s.fault == nil {
				return nil
			}
			return s.fault(call, committed)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// send imports an HMAC key straight under OAEP.
func (s *shaped) send(t *testing.T, in broker.PrepareIn, secret []byte) (broker.Imported, error) {
	t.Helper()
	made, err := s.Prepare(t.Context(), effect(), in)
	if err != nil {
		t.Fatal(err)
	}
	w, err := s.WrappingKey(t.Context(), effect(), broker.WrappingKeyIn{Key: made.Key, Mechanism: broker.OAEPSHA256})
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParsePKIXPublicKey(w.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	wrapped, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, parsed.(*rsa.PublicKey), secret, nil)
	if err != nil {
		t.Fatal(err)
	}
	return s.Import(t.Context(), effect(), broker.ImportIn{
		Key: made.Key, Kind: broker.ImportNew, Spec: in.Spec, Mechanism: broker.OAEPSHA256, Wrapped: wrapped, Token: w.Token, Of: in,
	})
}

func mac(name string) broker.PrepareIn {
	return broker.PrepareIn{
		Name: name, KeyID: name, RemoteName: name, Number: 1, Spec: broker.HMAC256, Purpose: broker.MAC, Mode: broker.NewKey,
	}
}

func (s *shaped) versions(t *testing.T, key broker.KeyRef) []broker.Observation {
	t.Helper()
	var seen []broker.Observation
	for o, err := range s.Look(context.WithoutCancel(t.Context()), broker.Query{Versions: &key}) {
		if err != nil {
			t.Fatal(err)
		}
		seen = append(seen, o)
	}
	return seen
}

// TestALateImportIsATwin: the answer was lost, it was sent again, and both arrived.
func TestALateImportIsATwin(t *testing.T) {
	t.Parallel()
	s := shape(t, memory.Numbered())
	lost := false
	s.fault = func(call string, committed bool) error {
		if call == "import" && !committed && !lost {
			lost = true
			return memory.Late{After: time.Minute}
		}
		return nil
	}
	in, secret := mac("key"), make([]byte, 32)
	if _, err := s.send(t, in, secret); !errors.Is(err, broker.Unclear) {
		t.Fatal(err)
	}
	done, err := s.send(t, in, secret)
	if err != nil {
		t.Fatal(err)
	}
	if r := s.Report(); len(r.Twins) != 0 {
		t.Fatalf("twins at once: %v", r.Twins)
	}
	s.clock.Advance(time.Minute)
	if r := s.Report(); len(r.Twins) != 2 || len(s.versions(t, done.Version.Key)) != 2 {
		t.Errorf("twins %v", r.Twins)
	}
}

// TestAFailedImportIsNoTwin, nor an orphan: nothing of it is there.
func TestAFailedImportIsNoTwin(t *testing.T) {
	t.Parallel()
	s := shape(t, memory.Numbered())
	in, secret := mac("key"), make([]byte, 32)
	s.next = memory.Importing{Takes: time.Hour, Fails: "no luck"}
	first, err := s.send(t, in, secret)
	if err != nil {
		t.Fatal(err)
	}
	if r := s.Report(); len(r.Orphans) != 0 || r.Names["key"][0].State != broker.RemoteImporting {
		t.Errorf("while it is importing: %+v", r)
	}
	s.clock.Advance(time.Hour)
	seen := s.versions(t, first.Version.Key)
	if len(seen) != 1 || seen[0].State != broker.RemoteFailed || seen[0].Reason != "no luck" {
		t.Fatalf("seen %+v", seen)
	}
	if r := s.Report(); len(r.Twins) != 0 || len(r.Orphans) != 0 || len(r.Material) != 0 {
		t.Errorf("%+v", r)
	}
}

// TestMaterialThatIsWrongShowsAtTheEnd, where an import is accepted first.
func TestMaterialThatIsWrongShowsAtTheEnd(t *testing.T) {
	t.Parallel()
	s := shape(t, memory.Numbered())
	s.next = memory.Importing{Takes: time.Second}
	done, err := s.send(t, mac("key"), make([]byte, 31))
	if err != nil {
		t.Fatal(err)
	}
	s.clock.Advance(time.Second)
	if seen := s.versions(t, done.Version.Key); seen[0].State != broker.RemoteFailed || seen[0].Reason == "" {
		t.Errorf("%+v", seen)
	}
}

// TestPlantedVersion goes into the key that is there, and says what it came under.
func TestPlantedVersion(t *testing.T) {
	t.Parallel()
	s := shape(t, memory.Numbered())
	in := mac("key")
	done, err := s.send(t, in, make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	ref, err := s.Plant(memory.Plant{In: in, Material: append([]byte{1}, make([]byte, 31)...), Batch: "theirs"})
	if err != nil || ref != done.Version.Key {
		t.Fatalf("planted in %s, %v", ref.ID, err)
	}
	seen := s.versions(t, ref)
	if len(seen) != 2 || seen[1].Batch != "theirs" || seen[0].Batch == "theirs" {
		t.Errorf("%+v", seen)
	}
}

// TestOneWrappingKeyForAllUntilNearItsEnd, where imports are listed by it.
func TestOneWrappingKeyForAllUntilNearItsEnd(t *testing.T) {
	t.Parallel()
	s := shape(t, memory.Numbered())
	ask := func(name string) broker.WrappingKey {
		made, err := s.Prepare(t.Context(), effect(), mac(name))
		if err != nil {
			t.Fatal(err)
		}
		w, err := s.WrappingKey(t.Context(), effect(), broker.WrappingKeyIn{Key: made.Key, Mechanism: broker.KWPSHA256})
		if err != nil || w.SingleUse || w.Source == "" {
			t.Fatalf("%+v, %v", w, err)
		}
		return w
	}
	first, second := ask("a"), ask("b")
	s.clock.Advance(first.ExpiresAt.Sub(s.clock.Now()) - time.Hour)
	if third := ask("c"); first.Source != second.Source || third.Source == first.Source {
		t.Errorf("%s, %s, near its end %s", first.Source, second.Source, third.Source)
	}
}

// TestPlantedWrappingKey can be new, or take the place of one that was made.
func TestPlantedWrappingKey(t *testing.T) {
	t.Parallel()
	s := shape(t, memory.Newest())
	ask := func(kept string) (broker.WrappingKey, error) {
		return s.WrappingKey(t.Context(), effect(), broker.WrappingKeyIn{Mechanism: broker.KWPSHA1, Kept: kept})
	}
	made, err := ask("")
	if err != nil {
		t.Fatal(err)
	}
	keys := memorytest.WrappingKeys()
	ref := s.PlantWrappingKey(memory.PlantedWrappingKey{Ref: made.Ref, Key: keys[1], Mechanism: broker.KWPSHA1})
	got, err := ask(made.Ref)
	if err != nil || ref != made.Ref || string(got.PublicKey) == string(made.PublicKey) {
		t.Errorf("planted %s, %v: it is the same key", ref, err)
	}
	if other := s.PlantWrappingKey(memory.PlantedWrappingKey{Mechanism: broker.KWPSHA1}); other == ref {
		t.Errorf("%s is there twice", other)
	}
	for kind, plant := range map[broker.Kind]memory.PlantedWrappingKey{
		broker.Expired:  {Mechanism: broker.KWPSHA1, Disabled: true},
		broker.Rejected: {Mechanism: broker.KWPSHA256},
	} {
		if _, err := ask(s.PlantWrappingKey(plant)); !errors.Is(err, kind) {
			t.Errorf("%+v: %v", plant, err)
		}
	}
}
