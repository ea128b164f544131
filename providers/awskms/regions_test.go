package awskms_test

import (
	"crypto"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"strings"
	"testing"
	"time"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/localstack/awsemu"
	"github.com/keyferry/keyferry/localstack/emu/emutest"
	"github.com/keyferry/keyferry/localstack/faults"
	"github.com/keyferry/keyferry/providers/awskms"
)

const (
	there   = "us-east-1"
	another = "us-west-2"
)

// regional is an emulator with a target for primaries and one for their replicas.
type regional struct {
	*emulated
	replicas *awskms.Provider
}

func inTwoRegions(t *testing.T, change ...func(*awskms.Config)) regional {
	t.Helper()
	e := emulate(t, func(_ *emulated, c *awskms.Config) { c.Replicated = true })
	change = append([]func(*awskms.Config){func(c *awskms.Config) {
		c.Region, c.PrimaryRegion, c.Credentials, c.Settle = there, region, static(e.server.Credentials()), 5*time.Second
	}}, change...)
	return regional{e, adapter(t, e.server.URL(), change...)}
}

// sealed makes material ready for an import into a key, under its own parameters.
func sealed(t *testing.T, p *awskms.Provider, key broker.KeyRef, in broker.PrepareIn, material []byte) (broker.ImportIn, error) {
	t.Helper()
	by, wrap := broker.OAEPSHA256, emutest.OAEP
	if in.Spec.Class() == broker.ClassRSA {
		by, wrap = broker.KWPSHA256, emutest.RSAAES
	}
	w, err := p.WrappingKey(t.Context(), effect(broker.StepFetch), broker.WrappingKeyIn{Key: key, Mechanism: by})
	if err != nil {
		return broker.ImportIn{}, err
	}
	public, err := x509.ParsePKIXPublicKey(w.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	return broker.ImportIn{
		Key: key, Kind: broker.ImportNew, Spec: in.Spec, Mechanism: by, Token: w.Token, Of: in,
		Wrapped: wrap(t, public.(*rsa.PublicKey), crypto.SHA256, material),
	}, nil
}

func brought(t *testing.T, p *awskms.Provider, key broker.KeyRef, in broker.PrepareIn, material []byte) (broker.VersionRef, error) {
	t.Helper()
	request, err := sealed(t, p, key, in, material)
	if err != nil {
		return broker.VersionRef{}, err
	}
	done, err := p.Import(t.Context(), effect(broker.StepImport), request)
	return done.Version, err
}

func keyFor(spec broker.KeySpec, purpose broker.Purpose) broker.PrepareIn {
	in := hmacKey()
	in.Spec, in.Purpose = spec, purpose
	return in
}

// primary makes a primary with material.
func (r regional) primary(t *testing.T, in broker.PrepareIn, material []byte) broker.VersionRef {
	t.Helper()
	in.MultiRegion = true
	made, err := r.provider.Prepare(t.Context(), effect(broker.StepPrepare), in)
	if err != nil {
		t.Fatal(err)
	}
	v, err := brought(t, r.provider, made.Key, in, material)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func replicaOf(in broker.PrepareIn, primary broker.VersionRef) broker.PrepareIn {
	in.MultiRegion, in.Replica = false, &primary.Key
	return in
}

// replicated asks for a replica of a key.
func (r regional) replicated(t *testing.T, in broker.PrepareIn, primary broker.VersionRef) (broker.KeyRef, error) {
	t.Helper()
	made, err := r.replicas.Prepare(t.Context(), effect(broker.StepPrepare), replicaOf(in, primary))
	return made.Key, err
}

func (r regional) mustReplicate(t *testing.T, in broker.PrepareIn, primary broker.VersionRef) broker.KeyRef {
	t.Helper()
	key, err := r.replicated(t, in, primary)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func only(t *testing.T, p *awskms.Provider, q broker.Query) broker.Observation {
	t.Helper()
	seen, err := look(t, p, q)
	if err != nil || len(seen) != 1 {
		t.Fatalf("%d keys, %v", len(seen), err)
	}
	return seen[0]
}

// TestReplica: it is the same key in the other region, made as any other key of this
// target, and takes the same material under that region's own parameters.
func TestReplica(t *testing.T) {
	t.Parallel()
	r := inTwoRegions(t)
	in, material := keyFor(broker.AES256, broker.Encrypt), emutest.Random(32)
	in.Tags = map[string]string{"team": "payments"}
	primary := r.primary(t, in, material)
	made, err := r.replicas.Prepare(t.Context(), effect(broker.StepPrepare), replicaOf(in, primary))
	if err != nil {
		t.Fatal(err)
	}
	if want := strings.Replace(primary.Key.ID, region, there, 1); made.Key.ID != want || made.Receipt.Call != "ReplicateKey" || made.PolicyHash == "" {
		t.Errorf("made %+v, want %s", made, want)
	}
	o := only(t, r.replicas, broker.Query{Effect: effect(broker.StepPrepare).ID()})
	if !o.Replica || o.State != broker.RemotePending || o.HasMaterial || !o.PolicyMatch || o.KeyID != in.KeyID || o.Name != in.Name || o.Tags["team"] != "payments" {
		t.Errorf("seen %+v", o)
	}
	v, err := brought(t, r.replicas, made.Key, replicaOf(in, primary), material)
	if err != nil || v.ID == "" || v.ID != primary.ID {
		t.Errorf("material %q, the primary's is %q, %v", v.ID, primary.ID, err)
	}
	if o := only(t, r.replicas, broker.Query{Version: &v}); o.State != broker.RemoteEnabled || !o.Replica || !o.HasMaterial {
		t.Errorf("filled %+v", o)
	}
	if o := only(t, r.provider, broker.Query{Key: &primary.Key}); o.Replica || o.State != broker.RemoteEnabled {
		t.Errorf("the primary is seen as %+v", o)
	}
	report, err := r.admin.Report(t.Context())
	if err != nil || len(report.Keys) != 2 || report.Keys[0].Versions[0].SHA256 != report.Keys[1].Versions[0].SHA256 {
		t.Errorf("reported %+v, %v", report.Keys, err)
	}
}

// TestReplicasOfEverySort prove as their primaries do, and take the same once more.
func TestReplicasOfEverySort(t *testing.T) {
	t.Parallel()
	r := inTwoRegions(t)
	_, private := emutest.EC(t, elliptic.P256())
	for spec, c := range map[broker.KeySpec]struct {
		purpose  broker.Purpose
		level    broker.ProofLevel
		material []byte
	}{
		broker.AES256:  {broker.Encrypt, broker.ProofReimport, emutest.Random(32)},
		broker.HMAC256: {broker.MAC, broker.ProofMAC, emutest.Random(32)},
		broker.ECP256:  {broker.Sign, broker.ProofPublicKey, private},
		broker.RSA2048: {broker.Sign, broker.ProofPublicKey, emutest.RSA(t)},
	} {
		in := keyFor(spec, c.purpose)
		primary := r.primary(t, in, c.material)
		key := r.mustReplicate(t, in, primary)
		v, err := brought(t, r.replicas, key, replicaOf(in, primary), c.material)
		if err != nil {
			t.Errorf("%s: %v", spec, err)
			continue
		}
		one, err := r.provider.Prove(t.Context(), primary, proving(primary, c.level, spec, c.purpose))
		if err != nil {
			t.Errorf("%s: prove the primary: %v", spec, err)
		}
		two, err := r.replicas.Prove(t.Context(), v, proving(v, c.level, spec, c.purpose))
		if err != nil || one.Version != two.Version || string(one.PublicKey) != string(two.PublicKey) {
			t.Errorf("%s: the replica answers otherwise, %v", spec, err)
		}
		request, err := sealed(t, r.replicas, key, replicaOf(in, primary), c.material)
		if err != nil {
			t.Fatal(err)
		}
		request.Kind, request.Version = broker.ImportExisting, &v
		if again, err := r.replicas.Import(t.Context(), effect(broker.StepImport), request); err != nil || again.Version != v {
			t.Errorf("%s: again %+v, %v", spec, again.Version, err)
		}
	}
}

// TestReplicaTakesNothingElse: other material than its primary's is a failed proof.
func TestReplicaTakesNothingElse(t *testing.T) {
	t.Parallel()
	r := inTwoRegions(t)
	for spec, purpose := range map[broker.KeySpec]broker.Purpose{broker.AES256: broker.Encrypt, broker.HMAC256: broker.MAC} {
		in := keyFor(spec, purpose)
		primary := r.primary(t, in, emutest.Random(32))
		_, err := brought(t, r.replicas, r.mustReplicate(t, in, primary), replicaOf(in, primary), emutest.Random(32))
		if inWords(t, err).Kind != broker.Differs {
			t.Errorf("%s: %v", spec, err)
		}
	}
}

// TestLostReplicaIsFound: the call is sent once, its answer is unclear, and what it
// made is found by its mark in its own region.
func TestLostReplicaIsFound(t *testing.T) {
	t.Parallel()
	for name, rule := range map[string]faults.Rule{
		"dropped": {Kind: faults.Drop, When: faults.After},
		"failed":  {Kind: faults.Fail, When: faults.After, Code: "KMSInternalException"},
		"cut":     {Kind: faults.Truncate},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := inTwoRegions(t)
			in := hmacKey()
			primary := r.primary(t, in, emutest.Random(32))
			rule.Match.Action = "ReplicateKey"
			if _, err := r.admin.Add(t.Context(), rule); err != nil {
				t.Fatal(err)
			}
			_, err := r.replicated(t, in, primary)
			if inWords(t, err).Kind != broker.Unclear {
				t.Errorf("%v", err)
			}
			if o := only(t, r.replicas, broker.Query{Effect: effect(broker.StepPrepare).ID()}); !o.Replica {
				t.Errorf("found %+v", o)
			}
			calls, err := r.admin.Calls(t.Context(), faults.CallQuery{Match: faults.Match{Action: "ReplicateKey"}})
			if err != nil || len(calls) != 1 || calls[0].Region != region {
				t.Errorf("sent as %+v, %v", calls, err)
			}
		})
	}
}

// TestReplicaThatIsBeingMade is updating, until it waits for material.
func TestReplicaThatIsBeingMade(t *testing.T) {
	t.Parallel()
	r := inTwoRegions(t, func(c *awskms.Config) { c.Settle = 20 * time.Millisecond })
	in, material := hmacKey(), emutest.Random(32)
	primary := r.primary(t, in, material)
	r.configure(t, awsemu.Settings{ReplicationDelay: 1})
	key := r.mustReplicate(t, in, primary)
	if o := only(t, r.replicas, broker.Query{Key: &key}); o.State != broker.RemoteUpdating || o.HasMaterial || o.Raw != "Creating" {
		t.Errorf("seen %+v", o)
	}
	if _, err := sealed(t, r.replicas, key, in, material); inWords(t, err).Kind != broker.Conflict {
		t.Errorf("while it is made: %v", err)
	}
	patient := adapter(t, r.server.URL(), func(c *awskms.Config) {
		c.Region, c.Credentials, c.Settle = there, static(r.server.Credentials()), 30*time.Second
	})
	if _, err := brought(t, patient, key, replicaOf(in, primary), material); err != nil {
		t.Errorf("by who waits for it: %v", err)
	}
}

// TestPreparingWaits until the replica can be imported into.
func TestPreparingWaits(t *testing.T) {
	t.Parallel()
	r := inTwoRegions(t)
	primary := r.primary(t, hmacKey(), emutest.Random(32))
	r.configure(t, awsemu.Settings{ReplicationDelay: 0.2})
	key := r.mustReplicate(t, hmacKey(), primary)
	if o := only(t, r.replicas, broker.Query{Key: &key}); o.State != broker.RemotePending {
		t.Errorf("seen %+v", o)
	}
}
