package e2e_test

import (
	"path"
	"testing"

	"cloud.google.com/go/kms/apiv1/kmspb"

	"github.com/keyferry/keyferry/hsm/softtoken"
)

// A version beside the one on record is removed by the command that it is listed with,
// and the one on record stays as it is.
func TestARemovedVersionAtGoogleIsTheOnlyOneThatGoes(t *testing.T) {
	t.Parallel()
	c := newClouds(t, softtoken.SoftHSM)
	his := c.stranger(t)
	c.Must(t, importAt("gcp", "twin", "ec-p384")...)
	key := c.placements(t, "twin")["gcp"].Version.Key.ID
	planted := his.imports(key, his.job(), kmspb.CryptoKeyVersion_EC_SIGN_P384_SHA384, his.signingKey())
	found := c.orphans(t, "gcp")
	if len(found) != 1 || found[0].Version != path.Base(planted) {
		t.Fatalf("planted was %s, listed are %+v", planted, found)
	}
	for range 2 { // the second time it is done already
		c.Must(t, found[0].removal(t)...)
	}
	now, err := his.GetCryptoKeyVersion(t.Context(), &kmspb.GetCryptoKeyVersionRequest{Name: planted})
	if err != nil || now.GetState() != kmspb.CryptoKeyVersion_DESTROY_SCHEDULED {
		t.Errorf("it is %s, %v", now.GetState(), err)
	}
	if found := c.orphans(t, "gcp"); len(found) > 0 {
		t.Errorf("after it was removed there are %+v", found)
	}
	c.Must(t, "verify", "twin")
	c.auditHolds(t)
}
