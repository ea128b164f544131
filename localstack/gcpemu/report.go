package gcpemu

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
	r := faults.NewReport(now)
	for _, name := range sorted(s.store.rings) {
		place := s.store.rings[name]
		for _, key := range sorted(place.keys) {
			k := place.keys[key]
			for _, v := range k.versions {
				v.settle(now)
			}
			report, identities := k.report()
			r.Add(report, identities)
		}
	}
	r.Finish()
	return *r
}

// report is one key, and what tells its materials apart. Versions are those that
// hold imported material, held it, or are about to.
func (k *key) report() (r faults.KeyReport, identities []string) {
	id, _ := match(keyShape, k.name)
	r = faults.KeyReport{
		Ref: k.name, Name: last(k.name), Account: id.project(), Region: id.location(), Spec: k.algorithm.String(), Usage: k.purpose.String(),
		Origin: k.origin(), State: k.state(), Tags: maps.Clone(k.labels), Commits: maps.Clone(k.commits), Versions: []faults.VersionReport{},
	}
	r.Pending = len(k.versions) > 0 && !slices.ContainsFunc(k.versions, func(v *version) bool { return v.state != scheduled && v.state != destroyed })
	for _, v := range k.versions {
		m := v.trace()
		if m == nil || v.job == "" {
			continue
		}
		r.Versions = append(r.Versions, faults.VersionReport{
			ID: last(v.name), SHA256: m.sha256, PublicSHA256: m.public, State: v.state.String(), Present: v.material != nil, Imports: v.imports,
		})
		identities = append(identities, m.identity)
	}
	present := func(v *version) bool { return v.material != nil || v.outcome.material != nil }
	r.Orphan = !r.Pending && !slices.ContainsFunc(k.versions, present)
	return r, identities
}

// trace is the material that a version holds, held or is about to hold.
func (v *version) trace() *material {
	if v.outcome.material != nil {
		return v.outcome.material.trace()
	}
	return v.held
}

// origin is EXTERNAL where only imported material can be.
func (k *key) origin() string {
	if k.importOnly {
		return "EXTERNAL"
	}
	return "GOOGLE"
}

// state is that of the last version; a CryptoKey has none of its own.
func (k *key) state() string {
	if len(k.versions) == 0 {
		return ""
	}
	return k.versions[len(k.versions)-1].state.String()
}
