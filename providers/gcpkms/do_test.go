package gcpkms_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/kms/apiv1/kmspb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/providers/gcpkms"
)

func act(t *testing.T, p *gcpkms.Provider, v broker.VersionRef, a broker.Action) error {
	t.Helper()
	_, err := p.Do(t.Context(), effect(broker.StepActivate), v, a)
	return err
}

// symmetric is a key for encryption with a primary version, "" none.
func symmetric(primary string) *kmspb.CryptoKey {
	key := whole(keyName)
	key.Purpose, key.VersionTemplate.Algorithm = kmspb.CryptoKey_ENCRYPT_DECRYPT, kmspb.CryptoKeyVersion_GOOGLE_SYMMETRIC_ENCRYPTION
	if primary != "" {
		key.Primary = version(keyName + "/cryptoKeyVersions/" + primary)
		key.Primary.Algorithm = key.GetVersionTemplate().GetAlgorithm()
	}
	return key
}

// movable answers about a key whose primary can be moved.
func movable(primary string) answering {
	return func(a asking) (proto.Message, error) {
		if in, ok := a.in.(*kmspb.UpdateCryptoKeyPrimaryVersionRequest); ok {
			return symmetric(in.GetCryptoKeyVersionId()), nil
		}
		return symmetric(primary), nil
	}
}

// TestThePrimaryMovesOnlyFromWhereItIsExpected.
func TestThePrimaryMovesOnlyFromWhereItIsExpected(t *testing.T) {
	t.Parallel()
	for name, x := range map[string]struct {
		primary string
		v       string
		a       broker.Action
		kind    broker.Kind
		to      string
	}{
		"the first":         {"", "1", broker.Action{Kind: broker.Activate, Consumer: keyName}, "", "1"},
		"the next":          {"1", "2", broker.Action{Kind: broker.Activate, Consumer: keyName, Expect: "1"}, "", "2"},
		"unexpected":        {"1", "2", broker.Action{Kind: broker.Activate, Consumer: keyName}, broker.Conflict, ""},
		"gone":              {"", "2", broker.Action{Kind: broker.Activate, Consumer: keyName, Expect: "1"}, broker.Conflict, ""},
		"another":           {"3", "2", broker.Action{Kind: broker.Activate, Consumer: keyName, Expect: "1"}, broker.Conflict, ""},
		"another name":      {"1", "2", broker.Action{Kind: broker.Activate, Consumer: "alias/x", Expect: "1"}, broker.Misuse, ""},
		"no version":        {"1", "", broker.Action{Kind: broker.Activate, Consumer: keyName, Expect: "1"}, broker.Misuse, ""},
		"back":              {"2", "2", broker.Action{Kind: broker.Deactivate, Consumer: keyName, Expect: "1"}, "", "1"},
		"back from another": {"3", "2", broker.Action{Kind: broker.Deactivate, Consumer: keyName, Expect: "1"}, broker.Conflict, ""},
		"away":              {"1", "1", broker.Action{Kind: broker.Deactivate, Consumer: keyName}, broker.Unsupported, ""},
		"to itself":         {"1", "1", broker.Action{Kind: broker.Deactivate, Consumer: keyName, Expect: "1"}, broker.Unsupported, ""},
	} {
		s := newScript(t, movable(x.primary))
		err := act(t, adapter(t, s), broker.VersionRef{Key: *ref(), ID: x.v}, x.a)
		if x.kind != "" {
			if inWords(t, err).Kind != x.kind || !slices.Equal(s.rpcs(), []string{"GetCryptoKey"}) {
				t.Errorf("%s: %v after %v", name, err, s.rpcs())
			}
			continue
		}
		if err != nil || len(s.asked()) != 2 || s.asked()[1].in.(*kmspb.UpdateCryptoKeyPrimaryVersionRequest).GetCryptoKeyVersionId() != x.to {
			t.Errorf("%s: %v after %v", name, err, s.asked())
		}
	}
	p := adapter(t, newScript(t, saying(about(keyName))))
	if err := act(t, p, numbered("1"), broker.Action{Kind: broker.Activate}); inWords(t, err).Kind != broker.Unsupported || !strings.Contains(err.Error(), "name the version") {
		t.Errorf("of a MAC key: %v", err)
	}
	liar := adapter(t, newScript(t, func(asking) (proto.Message, error) { return symmetric("1"), nil }))
	if err := act(t, liar, numbered("2"), broker.Action{Kind: broker.Activate, Expect: "1"}); inWords(t, err).Kind != broker.Tampered {
		t.Errorf("it moved, and says that it did not: %v", err)
	}
}

func TestTurning(t *testing.T) {
	t.Parallel()
	s := newScript(t, saying(about(keyName)))
	p := adapter(t, s)
	for _, kind := range []broker.ActionKind{broker.Disable, broker.Enable} {
		if err := act(t, p, numbered("1"), broker.Action{Kind: kind}); err != nil {
			t.Error(err)
		}
	}
	for i, state := range []kmspb.CryptoKeyVersion_CryptoKeyVersionState{kmspb.CryptoKeyVersion_DISABLED, kmspb.CryptoKeyVersion_ENABLED} {
		got := s.asked()[i].in.(*kmspb.UpdateCryptoKeyVersionRequest)
		if got.GetCryptoKeyVersion().GetState() != state || !slices.Equal(got.GetUpdateMask().GetPaths(), []string{"state"}) {
			t.Errorf("sent %v", got)
		}
	}
	empty := adapter(t, newScript(t, func(a asking) (proto.Message, error) {
		if a.rpc == "ListCryptoKeyVersions" {
			return &kmspb.ListCryptoKeyVersionsResponse{}, nil
		}
		return whole(keyName), nil
	}))
	if err := act(t, empty, broker.VersionRef{Key: *ref()}, broker.Action{Kind: broker.Enable}); inWords(t, err).Kind != broker.Conflict {
		t.Errorf("a key without versions: %v", err)
	}
}

// versioned is a key with a version in each state; DestroyCryptoKeyVersion of "fails"
// fails.
func versioned(fails string, states ...kmspb.CryptoKeyVersion_CryptoKeyVersionState) answering {
	list := &kmspb.ListCryptoKeyVersionsResponse{}
	for i, state := range states {
		v := version(keyName + "/cryptoKeyVersions/" + string(rune('1'+i)))
		v.State = state
		list.CryptoKeyVersions = append(list.CryptoKeyVersions, v)
	}
	return func(a asking) (proto.Message, error) {
		switch in := a.in.(type) {
		case *kmspb.ListCryptoKeyVersionsRequest:
			return list, nil
		case *kmspb.GetCryptoKeyRequest:
			return whole(keyName), nil
		case interface{ GetName() string }:
			if strings.HasSuffix(in.GetName(), "/"+fails) {
				return nil, status.Error(codes.FailedPrecondition, "no")
			}
			return version(in.GetName()), nil
		default:
			return nil, status.Error(codes.Internal, a.rpc)
		}
	}
}

func everyState() []kmspb.CryptoKeyVersion_CryptoKeyVersionState {
	return []kmspb.CryptoKeyVersion_CryptoKeyVersionState{
		kmspb.CryptoKeyVersion_ENABLED, kmspb.CryptoKeyVersion_DISABLED, kmspb.CryptoKeyVersion_DESTROYED, kmspb.CryptoKeyVersion_DESTROY_SCHEDULED,
		kmspb.CryptoKeyVersion_IMPORT_FAILED, kmspb.CryptoKeyVersion_DESTROY_SCHEDULED,
	}
}

// changed are the versions that were sent changes.
func changed(s *script) []string {
	var out []string
	for _, a := range s.asked() {
		if in, ok := a.in.(interface{ GetName() string }); ok && strings.Contains(in.GetName(), "/cryptoKeyVersions/") {
			out = append(out, in.GetName()[len(in.GetName())-1:])
		}
	}
	return out
}

// TestAWholeKey is every version of it that holds material: the key's name stays.
func TestAWholeKey(t *testing.T) {
	t.Parallel()
	all := broker.VersionRef{Key: *ref()}
	s := newScript(t, versioned("", everyState()...))
	if err := act(t, adapter(t, s), all, broker.Action{Kind: broker.Schedule}); err != nil || !slices.Equal(changed(s), []string{"1", "2"}) {
		t.Errorf("scheduled %v, %v", changed(s), err)
	}
	s = newScript(t, versioned("", everyState()...))
	if err := act(t, adapter(t, s), all, broker.Action{Kind: broker.Cancel}); err != nil || !slices.Equal(changed(s), []string{"4", "6"}) {
		t.Errorf("cancelled %v, %v", changed(s), err)
	}
	s = newScript(t, versioned("2", everyState()...))
	if e := inWords(t, act(t, adapter(t, s), all, broker.Action{Kind: broker.Schedule})); e.Kind != broker.Conflict || !strings.Contains(e.Changed, "versions 1 were changed") {
		t.Errorf("partly: %v, changed %q", e, e.Changed)
	}
	for _, kind := range []broker.ActionKind{broker.Schedule, broker.Cancel} {
		s = newScript(t, versioned("", kmspb.CryptoKeyVersion_DESTROYED))
		if err := act(t, adapter(t, s), all, broker.Action{Kind: kind}); inWords(t, err).Kind != broker.Conflict {
			t.Errorf("%s nothing: %v", kind, err)
		}
	}
}

// TestTheWaitingPeriodIsTheKeys: another cannot be chosen any more.
func TestTheWaitingPeriodIsTheKeys(t *testing.T) {
	t.Parallel()
	s := newScript(t, versioned("", everyState()...))
	p := adapter(t, s)
	for _, window := range []time.Duration{0, 30 * 24 * time.Hour} {
		if err := act(t, p, numbered("1"), broker.Action{Kind: broker.Schedule, Window: window}); err != nil {
			t.Errorf("%s: %v", window, err)
		}
	}
	for _, window := range []time.Duration{-time.Hour, 7 * 24 * time.Hour} {
		if err := act(t, p, numbered("1"), broker.Action{Kind: broker.Schedule, Window: window}); inWords(t, err).Kind != broker.Rejected {
			t.Errorf("%s: %v", window, err)
		}
	}
	if got := changed(s); !slices.Equal(got, []string{"1", "1"}) {
		t.Errorf("changed %v", got)
	}
}
