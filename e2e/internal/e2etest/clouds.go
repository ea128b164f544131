package e2etest

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/keyferry/keyferry/hsm/softtoken"
	"github.com/keyferry/keyferry/localstack/awsemu"
	"github.com/keyferry/keyferry/localstack/azureemu"
	"github.com/keyferry/keyferry/localstack/faults"
	"github.com/keyferry/keyferry/localstack/gcpemu"
)

// Targets are those of a site with three clouds: vault is Azure Key Vault Premium, and
// pool a Managed HSM.
func Targets() []string { return []string{"aws", "gcp", "vault", "pool"} }

// CloudOf is the name of the cloud that a target is at.
func CloudOf(target string) string {
	if target == "vault" || target == "pool" {
		return "azure"
	}
	return target
}

// StartAWS starts the site's AWS. reveal: it tells what it unwrapped.
func (s *Site) StartAWS(t *testing.T, reveal bool) {
	t.Helper()
	var err error
	s.AWS, err = awsemu.Start(t.Context(), awsemu.Config{Now: time.Now, CA: s.ca, PoolDir: pool(t), ReuseWrappingKeys: true, Reveal: reveal})
	fatal(t, err)
	t.Cleanup(func() { check(t, s.AWS.Close()) })
}

// StartGoogle starts the site's Google.
func (s *Site) StartGoogle(t *testing.T) {
	t.Helper()
	var err error
	s.GCP, err = gcpemu.Start(t.Context(), gcpemu.Config{Now: time.Now, CA: s.ca, PoolDir: pool(t), ReuseWrappingKeys: true})
	fatal(t, err)
	t.Cleanup(func() { check(t, s.GCP.Close()) })
}

// StartAzure starts the site's Azure, as c says otherwise than usual.
func (s *Site) StartAzure(t *testing.T, c azureemu.Config) {
	t.Helper()
	c.Now, c.CA, c.PoolDir, c.ReuseWrappingKeys = time.Now, s.ca, pool(t), true
	server, err := azureemu.Start(t.Context(), c)
	fatal(t, err)
	s.Azure = server
	t.Cleanup(func() { check(t, server.Close()) })
}

// pool is where wrapping keys are that were made ahead.
func pool(t *testing.T) string {
	t.Helper()
	root, err := softtoken.Root()
	fatal(t, err)
	return filepath.Join(root, ".cache", "wrapping-keys")
}

// Admins are the clouds that were started, by name.
func (s *Site) Admins() map[string]faults.Client {
	admins := map[string]faults.Client{}
	if s.AWS != nil {
		admins["aws"] = s.AWS.Admin()
	}
	if s.GCP != nil {
		admins["gcp"] = s.GCP.Admin()
	}
	if s.Azure != nil {
		admins["azure"] = s.Azure.Admin()
	}
	return admins
}

// Cloud is the one that a target is at.
func (s *Site) Cloud(target string) faults.Client { return s.Admins()[CloudOf(target)] }
