package broker_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/keyferry/keyferry/broker"
	providers "github.com/keyferry/keyferry/providers/memory"
)

// regions is a world with a primary's target, cloud, and one for replicas of its keys.
func regions(t *testing.T) *world {
	t.Helper()
	w := bareWorld(t, quick())
	w.others = []broker.Target{{
		Name: "replica", Provider: targetCalled(w, "replica", quick()), Environment: "test", Genuine: true, ReplicaOf: "cloud",
		Pins: map[string]string{broker.PinAccount: account, "region": "elsewhere"},
	}}
	w.enrol()
	return w
}

// A primary and its replica hold the same material; whatever order was asked, the
// primary is made, filled and proven first.
func TestReplicasFollowTheirPrimary(t *testing.T) {
	t.Parallel()
	w := regions(t)
	req := everywhere("k", broker.ECP256)
	req.Targets = []string{"replica", "cloud"}
	result, err := w.run(nil).Import(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	w.oneEverywhere(t, "k", "cloud", "replica")
	if got := result.Operation.Operation.Targets; !slices.Equal(got, []string{"cloud", "replica"}) {
		t.Errorf("targets in the order %v", got)
	}
	prepare, _ := result.Operation.Effect("replica", broker.StepPrepare)
	primary, _ := result.Key.Placement(1, "cloud")
	if !strings.Contains(string(prepare.Intent), primary.Version.Key.ID) {
		t.Errorf("the replica was asked for as %s", prepare.Intent)
	}
	first, _ := result.Operation.Effect("cloud", broker.StepPrepare)
	if !strings.Contains(string(first.Intent), `"MultiRegion":true`) {
		t.Errorf("the primary was asked for as %s", first.Intent)
	}
	again, err := w.run(nil).Import(t.Context(), req)
	if err != nil || !again.AlreadyDone {
		t.Errorf("again: %v", err)
	}
}

func TestAReplicaWithoutItsPrimaryIsRefused(t *testing.T) {
	t.Parallel()
	w := regions(t)
	req := everywhere("k", broker.ECP256)
	req.Targets = []string{"replica"}
	_, err := w.run(nil).Import(t.Context(), req)
	if !errors.Is(err, broker.Misuse) || !strings.Contains(err.Error(), "not among the targets") {
		t.Errorf("%v", err)
	}
}

// What a policy and a target's rules refuse is refused before anything happens.
func TestPoliciesAndRulesOfTargetsRefuse(t *testing.T) {
	t.Parallel()
	w := clouds(t)
	caps := newest()
	caps.SoftwareProtected = true
	w.others = append(w.others, broker.Target{
		Name: "software", Provider: targetCalled(w, "software", caps), Environment: "test", Genuine: true,
		Pins: map[string]string{broker.PinAccount: account, "region": "x"},
	})
	if _, err := w.run(nil).EnrolTarget(t.Context(), "software", broker.Why{Reason: "test"}); err != nil {
		t.Fatal(err)
	}
	many := map[string]string{}
	for name := range strings.FieldsSeq("a b c d e f g h i j k l m n o p") {
		many[name] = "x"
	}
	for name, c := range map[string]struct {
		policy broker.Policy
		req    broker.ImportRequest
		kind   broker.Kind
		says   string
	}{
		"software by no policy":  {broker.Policy{}, broker.ImportRequest{Targets: []string{"software"}}, broker.Denied, "allow_software"},
		"a sixteenth tag":        {broker.Policy{}, broker.ImportRequest{Targets: []string{"newest"}, Tags: many}, broker.Misuse, "tags"},
		"a beginning at aliases": {broker.Policy{Name: "p", ValidAfter: 1 << 40}, broker.ImportRequest{Policy: "p", Targets: []string{"cloud"}}, broker.Unsupported, "valid as soon as"},
		"a beginning after its end": {
			broker.Policy{Name: "p", ValidAfter: 1 << 50, ValidFor: 1 << 40}, broker.ImportRequest{Policy: "p", Targets: []string{"newest"}}, broker.Misuse, "not after valid-from",
		},
		"an end where there is none": {broker.Policy{}, broker.ImportRequest{ValidTo: w.now.Add(1 << 50), Targets: []string{"numbered"}}, broker.Unsupported, "no expiry"},
	} {
		t.Run(name, func(t *testing.T) {
			w.policy = c.policy
			c.req.Name, c.req.Spec = "k", broker.ECP256
			before := len(w.events(t))
			_, err := w.run(nil).Import(t.Context(), c.req)
			var hint string
			if e, ok := errors.AsType[*broker.Error](err); ok {
				hint = e.Hint
			}
			if !errors.Is(err, c.kind) || !strings.Contains(err.Error()+hint, c.says) {
				t.Errorf("%v; want %s that says %q", err, c.kind, c.says)
			}
			if len(w.events(t)) != before {
				t.Error("something was written")
			}
		})
	}
	w.policy = broker.Policy{Name: "soft", AllowSoftware: true}
	if _, err := w.run(nil).Import(t.Context(), broker.ImportRequest{Name: "soft", Policy: "soft", Spec: broker.ECP256, Targets: []string{"software"}}); err != nil {
		t.Errorf("a policy that allows it: %v", err)
	}
}

// A name that somebody has already at the target is refused before anything happens.
func TestATakenNameIsRefused(t *testing.T) {
	t.Parallel()
	for _, target := range []string{"numbered", "newest"} {
		t.Run(target, func(t *testing.T) {
			t.Parallel()
			w := clouds(t)
			req := everywhere("k", broker.ECP256)
			req.Targets = []string{target}
			first, err := w.run(nil).Import(t.Context(), req)
			if err != nil {
				t.Fatal(err)
			}
			remote := first.Key.Placements[0].Terms.Name
			for i := range w.others {
				w.others[i].Consumer = remote // every name becomes this one
			}
			for _, other := range w.others {
				if _, err := w.run(nil).EnrolTarget(t.Context(), other.Name, broker.Why{Reason: "test"}); err != nil {
					t.Fatal(err)
				}
			}
			req.Name = "another"
			_, err = w.run(nil).Import(t.Context(), req)
			if !errors.Is(err, broker.Conflict) || !strings.Contains(err.Error(), "has the name") {
				t.Errorf("a name of ours: %v", err)
			}
			plant := providers.Plant{In: broker.PrepareIn{Name: "theirs", RemoteName: "theirs", Spec: broker.ECP256, Purpose: broker.Sign}, Material: pkcs8(t)}
			if _, err := w.provider(target).Plant(plant); err != nil {
				t.Fatal(err)
			}
			for i := range w.others {
				w.others[i].Consumer = ""
			}
			for _, other := range w.others {
				if _, err := w.run(nil).EnrolTarget(t.Context(), other.Name, broker.Why{Reason: "test"}); err != nil {
					t.Fatal(err)
				}
			}
			req.Name = "theirs"
			_, err = w.run(nil).Import(t.Context(), req)
			if !errors.Is(err, broker.Conflict) || !strings.Contains(err.Error(), "already leads to") {
				t.Errorf("a name of others: %v", err)
			}
		})
	}
}

// pkcs8 is a key pair of somebody else's.
func pkcs8(t *testing.T) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}
