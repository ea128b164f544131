package awskms_test

import (
	"strings"
	"testing"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/localstack/emu/emutest"
	"github.com/keyferry/keyferry/providers/awskms"
)

// TestNoReplica says why, and what to do.
func TestNoReplica(t *testing.T) {
	t.Parallel()
	r := inTwoRegions(t)
	in := hmacKey()
	twice := r.primary(t, in, emutest.Random(32))
	r.mustReplicate(t, in, twice)
	first := in
	first.MultiRegion = true
	empty, err := r.provider.Prepare(t.Context(), effect(broker.StepPrepare), first)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		primary    broker.VersionRef
		kind       broker.Kind
		says, hint string
	}{
		"a second one":            {twice, broker.Conflict, "AlreadyExistsException", "one a region"},
		"of an empty key":         {broker.VersionRef{Key: empty.Key}, broker.Conflict, "KMSInvalidStateException", "import into it first"},
		"of what is none anymore": {r.moved(t), broker.Unsupported, "UnsupportedOperationException", "primary key alone"},
	} {
		_, err := r.replicated(t, in, c.primary)
		if e := inWords(t, err); e.Kind != c.kind || !strings.Contains(e.Error(), c.says) || !strings.Contains(e.Hint, c.hint) || e.Object != c.primary.Key.ID {
			t.Errorf("%s: %v (%s)", name, err, e.Hint)
		}
	}
}

// TestReplicasAreRefusedUnsent: what cannot be a replica here.
func TestReplicasAreRefusedUnsent(t *testing.T) {
	t.Parallel()
	key := func(account, region, id string) string { return "arn:aws:kms:" + region + ":" + account + ":key/" + id }
	s := newScript(t, saying(`{}`))
	p := adapter(t, s.URL, func(c *awskms.Config) { c.Region, c.PrimaryRegion = there, region })
	for id, c := range map[string]struct {
		kind broker.Kind
		says string
	}{
		key(account, region, noKey):       {broker.Misuse, "a key of one region"},
		key(account, there, "mrk-1"):      {broker.Misuse, "another region than its primary"},
		key(account, another, "mrk-1"):    {broker.Misuse, "replicas of keys in " + region},
		key(other, region, "mrk-1"):       {broker.Tampered, "not a key of account"},
		"arn:aws:s3:::bucket":             {broker.Tampered, "not a key of account"},
		"mrk-1":                           {broker.Tampered, "parse ARN"},
		key(account, region, "mrk-1/../"): {broker.Tampered, "not a key of account"},
	} {
		in := hmacKey()
		in.Replica = &broker.KeyRef{ID: id}
		_, err := p.Prepare(t.Context(), effect(broker.StepPrepare), in)
		if e := inWords(t, err); e.Kind != c.kind || !strings.Contains(e.Error(), c.says) {
			t.Errorf("%s: %v", id, err)
		}
	}
	both := hmacKey()
	both.Replica, both.MultiRegion = &broker.KeyRef{ID: key(account, region, "mrk-1")}, true
	if _, err := p.Prepare(t.Context(), effect(broker.StepPrepare), both); inWords(t, err).Kind != broker.Misuse {
		t.Errorf("a replica with replicas: %v", err)
	}
	if asked := s.asked(); len(asked) > 0 {
		t.Errorf("sent %v", asked)
	}
}
