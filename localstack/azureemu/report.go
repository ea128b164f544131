package azureemu

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/keyferry/keyferry/localstack/faults"
)

// Origins of a key in the report.
const (
	originExternal = "external"
	originProvider = "provider"
	originMixed    = "mixed" // some versions were imported, others were made by Azure
)

// Report is what the emulator holds now, counted from the material it unwrapped.
// Versions that Azure made are not listed; what was purged is gone.
func (s *Server) Report() faults.Report {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.clock.Now()
	r := faults.NewReport(now)
	for _, name := range slices.Sorted(maps.Keys(s.vaults)) {
		v := s.vaults[name]
		v.elapse(now)
		c := &call{s: s, vault: v, now: now}
		for _, k := range v.names() {
			if v.keys[k].stage == purging {
				continue
			}
			r.Add(c.report(v.keys[k]))
		}
	}
	r.Finish()
	return *r
}

// report is one key, and what tells its materials apart.
func (c *call) report(k *key) (r faults.KeyReport, identities []string) {
	last := k.latest()
	r = faults.KeyReport{
		Ref: c.kid(k.name, ""), Name: k.name, Account: c.vault.Tenant, Region: c.vault.Name, Spec: last.spec(), Usage: strings.Join(last.ops, " "),
		Origin: k.origin(), State: k.state(), Pending: k.stage == deleting || k.stage == deleted, Tags: maps.Clone(last.tags),
		Commits: maps.Clone(k.commits), Versions: []faults.VersionReport{}, Unwrapped: map[string]int{},
	}
	for _, v := range k.versions {
		if v.unwrapped > 0 {
			r.Unwrapped[v.id] = v.unwrapped
		}
		if !v.imported {
			continue
		}
		r.Versions = append(r.Versions, faults.VersionReport{
			ID: v.id, SHA256: v.sha256, PublicSHA256: v.publicSHA256(), State: v.state(), Present: true, ValidTo: v.validTo(), Imports: 1,
		})
		identities = append(identities, v.identity())
	}
	return r, identities
}

func (k *key) origin() string {
	n := 0
	for _, v := range k.versions {
		if v.imported {
			n++
		}
	}
	switch n {
	case 0:
		return originProvider
	case len(k.versions):
		return originExternal
	default:
		return originMixed
	}
}

// state is the latest version's, unless the whole key is deleted.
func (k *key) state() string {
	if s := map[stage]string{deleting: "deleting", deleted: "deleted", recovering: "recovering"}[k.stage]; s != "" {
		return s
	}
	return k.latest().state()
}

func (v *version) state() string {
	if v.enabled {
		return "enabled"
	}
	return "disabled"
}

// spec is the key type and its size or curve: "RSA-HSM 3072", "EC P-256".
func (v *version) spec() string {
	if crv := v.crv(); crv != "" {
		return v.kty + " " + crv
	}
	return fmt.Sprintf("%s %d", v.kty, v.bits())
}

// publicSHA256 is the SHA-256 of a pair's SubjectPublicKeyInfo.
func (v *version) publicSHA256() string {
	if v.secret.pair == nil {
		return ""
	}
	return v.secret.pair.Identity()
}
