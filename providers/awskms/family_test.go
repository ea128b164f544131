package awskms_test

import (
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/localstack/awsemu"
	"github.com/keyferry/keyferry/localstack/emu/emutest"
	"github.com/keyferry/keyferry/providers/awskms"
)

// moved is a primary of another region by now.
func (r regional) moved(t *testing.T) broker.VersionRef {
	t.Helper()
	in, material := hmacKey(), emutest.Random(32)
	was := r.primary(t, in, material)
	third := adapter(t, r.server.URL(), func(c *awskms.Config) { c.Region, c.Credentials = another, static(r.server.Credentials()) })
	made, err := third.Prepare(t.Context(), effect(broker.StepPrepare), replicaOf(in, was))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := brought(t, third, made.Key, replicaOf(in, was), material); err != nil {
		t.Fatal(err)
	}
	r.lead(t, was, another)
	return was
}

// lead makes another region's key the primary.
func (r regional) lead(t *testing.T, key broker.VersionRef, region string) {
	t.Helper()
	if _, err := r.client().UpdatePrimaryRegion(t.Context(), &kms.UpdatePrimaryRegionInput{KeyId: &key.Key.ID, PrimaryRegion: &region}); err != nil {
		t.Fatal(err)
	}
}

// TestDeletionOfAFamily: the primary waits for its replicas, and says so.
func TestDeletionOfAFamily(t *testing.T) {
	t.Parallel()
	r := inTwoRegions(t)
	primary := r.primary(t, hmacKey(), emutest.Random(32))
	replica := broker.VersionRef{Key: r.mustReplicate(t, hmacKey(), primary)}
	schedule := func(p *awskms.Provider, v broker.VersionRef) error {
		_, err := p.Do(t.Context(), effect(broker.StepAbandon), v, broker.Action{Kind: broker.Schedule, Window: 8 * 24 * time.Hour})
		return err
	}
	if err := schedule(r.provider, primary); err != nil {
		t.Fatal(err)
	}
	o := only(t, r.provider, broker.Query{Key: &primary.Key})
	if o.State != broker.RemoteScheduled || o.Raw != "PendingReplicaDeletion" || !o.DeletionAt.IsZero() || !strings.Contains(o.Reason, "8 days") {
		t.Errorf("the primary is %+v", o)
	}
	if e := inWords(t, schedule(r.provider, primary)); e.Kind != broker.Conflict || !strings.Contains(e.Hint, "after its replicas") {
		t.Errorf("twice: %v (%s)", e, e.Hint)
	}
	if err := schedule(r.replicas, replica); err != nil {
		t.Fatal(err)
	}
	if o := only(t, r.replicas, broker.Query{Key: &replica.Key}); o.State != broker.RemoteScheduled || o.DeletionAt.IsZero() || o.Reason != "" {
		t.Errorf("the replica is %+v", o)
	}
	if _, err := r.admin.Advance(t.Context(), 9*24*time.Hour); err != nil {
		t.Fatal(err)
	}
	r.ahead.Add(int64(9 * 24 * time.Hour))
	if o := only(t, r.provider, broker.Query{Key: &primary.Key}); o.Raw != "PendingDeletion" || o.DeletionAt.IsZero() {
		t.Errorf("alone, the primary is %+v", o)
	}
}

// TestRolesChange: which key is the primary is told as it is now, and material is
// there while it changes.
func TestRolesChange(t *testing.T) {
	t.Parallel()
	r := inTwoRegions(t)
	material := emutest.Random(32)
	primary := r.primary(t, hmacKey(), material)
	replica := r.mustReplicate(t, hmacKey(), primary)
	if _, err := brought(t, r.replicas, replica, replicaOf(hmacKey(), primary), material); err != nil {
		t.Fatal(err)
	}
	r.configure(t, awsemu.Settings{ReplicationDelay: 3600})
	r.lead(t, primary, there)
	for p, v := range map[*awskms.Provider]broker.KeyRef{r.provider: primary.Key, r.replicas: replica} {
		if o := only(t, p, broker.Query{Key: &v}); o.State != broker.RemoteUpdating || !o.HasMaterial || o.Replica != (v == primary.Key) {
			t.Errorf("%s: %+v", v.ID, o)
		}
	}
}
