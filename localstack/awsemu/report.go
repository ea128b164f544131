package awsemu

import (
	"maps"
	"slices"

	"github.com/keyferry/keyferry/localstack/faults"
)

// Report is what the emulator holds now, counted from the material it unwrapped.
func (s *Server) Report() faults.Report {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.clock.Now()
	s.store.elapse(now)
	r := faults.NewReport(now)
	for _, place := range s.store.places {
		for _, id := range slices.Sorted(maps.Keys(place.keys)) {
			k := place.keys[id]
			report, identities := k.report(place.aliasesOf(id), s.nameTag)
			r.Add(report, identities)
		}
	}
	r.Finish()
	return *r
}

// report is one key, and what tells its materials apart.
func (k *key) report(aliases []string, nameTag string) (r faults.KeyReport, identities []string) {
	r = faults.KeyReport{
		Ref: k.arn, Name: k.tags.is[nameTag], Account: k.place.account, Region: k.place.region, Spec: k.spec.name, Usage: k.usage,
		Origin: k.origin, State: k.state(), Aliases: aliases, Tags: maps.Clone(k.tags.is), Commits: maps.Clone(k.commits),
		Pending: k.window > 0, Versions: []faults.VersionReport{},
	}
	if k.role() == roleReplica {
		r.ReplicaOf = k.primary().arn
	}
	if k.origin != originExternal {
		return r, nil
	}
	r.Orphan = !r.Pending && !slices.ContainsFunc(k.materials, (*material).present)
	for _, m := range k.materials {
		if m.imports == 0 { // a replica waits for it
			continue
		}
		r.Versions = append(r.Versions, faults.VersionReport{
			ID: k.visibleID(m), SHA256: m.sha256, PublicSHA256: m.publicSHA256(k.spec), State: k.materialState(m), Present: m.present(),
			Description: m.description, ValidTo: m.validTo, Imports: m.imports,
		})
		identities = append(identities, m.identity)
	}
	return r, identities
}

// publicSHA256 is the SHA-256 of a pair's SubjectPublicKeyInfo.
func (m *material) publicSHA256(spec keySpec) string {
	if !spec.asymmetric() {
		return ""
	}
	return m.identity
}
