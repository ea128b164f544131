package main

import (
	"fmt"
	"time"

	"github.com/keyferry/keyferry/broker"
)

// placementRow is one version at one target: a row of the inventory.
type placementRow struct {
	Key         string               `json:"key"`
	Version     int                  `json:"version"`
	Spec        broker.KeySpec       `json:"spec"`
	Owner       string               `json:"owner" table:"-"`
	Environment string               `json:"environment" table:"-"`
	Tags        map[string]string    `json:"tags" table:"-"`
	State       broker.State         `json:"state"`
	Target      string               `json:"target"`
	Step        broker.PlacementStep `json:"step"`
	Remote      broker.RemoteState   `json:"remote"` // as last seen
	SeenAt      time.Time            `json:"seen_at,omitzero"`
	Proof       broker.ProofLevel    `json:"proof"`
	ProvenAt    time.Time            `json:"proven_at,omitzero" table:"-"`
	ProofDetail string               `json:"proof_detail" table:"-"`
	ValidTo     time.Time            `json:"valid_to,omitzero"`
	Consumer    string               `json:"consumer"`
	Provider    string               `json:"provider"` // of the target, as the config has it now
	Place       string               `json:"place"`    // region, location and ring, or vault
	KeyRef      string               `json:"key_ref" table:"-"`
	VersionRef  string               `json:"version_ref" table:"-"`
	Mechanism   broker.Mechanism     `json:"mechanism" table:"-"`
	Way         broker.Way           `json:"way" table:"-"`
	Strength    int                  `json:"transport_strength"`    // bits
	SHA1        bool                 `json:"sha1" table:"-"`        // in OAEP: a compliance date
	Attestation string               `json:"attestation" table:"-"` // of the wrapping key: unchecked, and the SHA-256 of it
	Provenance  string               `json:"provenance"`            // of the material: generated, or adopted: its birth was not ours to see
	ImportedAt  time.Time            `json:"imported_at,omitzero" table:"-"`
	ActivateAt  time.Time            `json:"activate_at,omitzero" table:"-"` // as planned; until then consumers do not get it
	Difference  string               `json:"difference"`                     // between what is expected and what was seen
}

func (s *session) placementRows(k broker.KeyView) []placementRow {
	var rows []placementRow
	for _, p := range k.Placements {
		v, _ := k.Version(p.Number)
		t, _ := s.config.Target(p.Target)
		rows = append(rows, placementRow{
			Key: k.Key.Name, Version: p.Number, Spec: k.Key.Spec, Owner: k.Key.Owner, Environment: k.Key.Environment, Tags: k.Key.Tags,
			State: v.State, Target: p.Target, Step: p.Step, Remote: p.Remote, SeenAt: p.SeenAt,
			Proof: p.Proof.Level, ProvenAt: p.Proof.At, ProofDetail: p.Proof.Detail, ValidTo: p.ValidTo, Consumer: p.Consumer,
			KeyRef: p.Version.Key.ID, VersionRef: p.Version.ID, Mechanism: p.Transport.Mechanism, Way: p.Transport.Way,
			Strength: p.Transport.Strength, SHA1: p.Transport.Mechanism.SHA1(), ImportedAt: p.ImportedAt,
			Provider: t.Provider, Place: placeOf(t), Attestation: p.Transport.Attestation, Provenance: v.Provenance,
			Difference: difference(p, s.p.now()),
		})
	}
	return rows
}

// planned says when a version that consumers do not get yet is to be activated,
// and that it is due.
func (r placementRow) planned(at, now time.Time) placementRow {
	if r.State != broker.PreActivation || at.IsZero() {
		return r
	}
	r.ActivateAt = at
	if !at.After(now) && r.Difference == "" {
		r.Difference = "due: keyferry activate " + r.Key
	}
	return r
}

// difference between what a placement should be and what was seen of it.
func difference(p broker.Placement, now time.Time) string {
	imported := p.Step == broker.PlacementStaged || p.Step == broker.PlacementProven || p.Step == broker.PlacementActive
	want := broker.RemoteEnabled
	if p.Step == broker.PlacementProven && p.Terms.Withheld {
		want = broker.RemoteDisabled // until it is activated
	}
	switch {
	case p.Proof.Failed:
		return "proof failed"
	case imported && !p.ValidTo.IsZero() && !p.ValidTo.After(now):
		return "expired"
	case imported && p.Remote != "" && p.Remote != want:
		return fmt.Sprintf("%s, not %s", p.Remote, want)
	default:
		return ""
	}
}
