package faults

import (
	"slices"
	"time"
)

// Report is what an emulator holds, counted from the material it unwrapped: the
// judge of a crash test, which compares it with the test's own list.
type Report struct {
	At        time.Time                 `json:"at"` // by the emulator's clock
	Keys      []KeyReport               `json:"keys"`
	Names     map[string]NameReport     `json:"names"`     // by key name; "" are keys without one
	Materials map[string]MaterialReport `json:"materials"` // by SHA-256 of the unwrapped material, hex
	Orphans   []string                  `json:"orphans"`   // refs of keys without material that are not to be deleted
	Twins     []Twin                    `json:"twins"`

	byIdentity map[string]*Twin
}

// KeyReport is one key at one account and region.
type KeyReport struct {
	Ref      string            `json:"ref"` // ARN or resource name
	Name     string            `json:"name,omitempty"`
	Account  string            `json:"account"`
	Region   string            `json:"region"`
	Spec     string            `json:"spec"`
	Usage    string            `json:"usage"`
	Origin   string            `json:"origin"`
	State    string            `json:"state"`
	Pending  bool              `json:"pending_deletion"`
	Orphan   bool              `json:"orphan"`
	Versions []VersionReport   `json:"versions"` // in the order of import
	Aliases  []string          `json:"aliases,omitempty"`
	Tags     map[string]string `json:"tags,omitempty"`
	Commits  map[string]int    `json:"commits"` // by action

	// Unwrapped is of a wrapping key that stays: how much was imported under each of its
	// versions.
	Unwrapped map[string]int `json:"unwrapped,omitempty"`

	// ReplicaOf is the ref of the key that this one is at another place.
	ReplicaOf string `json:"replica_of,omitempty"`
}

// VersionReport is one set of material of a key.
type VersionReport struct {
	ID           string    `json:"id,omitempty"`            // the cloud's id of it
	SHA256       string    `json:"sha256"`                  // of the bytes as they were unwrapped
	PublicSHA256 string    `json:"public_sha256,omitempty"` // pairs: of the DER SubjectPublicKeyInfo
	State        string    `json:"state"`
	Present      bool      `json:"present"` // false: deleted or expired
	Description  string    `json:"description,omitempty"`
	ValidTo      time.Time `json:"valid_to,omitzero"`
	Imports      int       `json:"imports"` // how many times the same material came
}

// NameReport counts what goes under one key name.
type NameReport struct {
	Keys     int `json:"keys"` // all that still exist, replicas among them
	Replicas int `json:"replicas"`
	Pending  int `json:"pending_deletion"`
	Versions int `json:"versions"`
	Orphans  int `json:"orphans"`
	Twins    int `json:"twins"` // twins that a key of this name has a part in
}

// MaterialReport is where one set of material is.
type MaterialReport struct {
	Imports  int      `json:"imports"`  // how many times it came
	Versions int      `json:"versions"` // of how many key versions it is
	Keys     []string `json:"keys"`     // refs
}

// Twin is material that came into more than one version, however it was encoded.
type Twin struct {
	SHA256 string   `json:"sha256"` // of the first one's bytes
	Keys   []string `json:"keys"`   // refs, one for each version
	Names  []string `json:"names"`  // of those keys
}

// NewReport is empty. An emulator adds its keys and finishes it.
func NewReport(at time.Time) *Report {
	return &Report{
		At: at, Keys: []KeyReport{}, Names: map[string]NameReport{}, Materials: map[string]MaterialReport{}, Orphans: []string{}, Twins: []Twin{},
		byIdentity: map[string]*Twin{},
	}
}

// Add counts a key. identities tell its versions' material apart where encodings
// of the same material differ, one for each version.
func (r *Report) Add(k KeyReport, identities []string) {
	r.Keys = append(r.Keys, k)
	n := r.Names[k.Name]
	n.Keys++
	if k.ReplicaOf != "" {
		n.Replicas++
	}
	n.Versions += len(k.Versions)
	if k.Pending {
		n.Pending++
	}
	if k.Orphan {
		n.Orphans++
		r.Orphans = append(r.Orphans, k.Ref)
	}
	r.Names[k.Name] = n
	for i, v := range k.Versions {
		m := r.Materials[v.SHA256]
		m.Imports += v.Imports
		m.Versions++
		m.Keys = append(m.Keys, k.Ref)
		r.Materials[v.SHA256] = m
		r.identify(k, v, identities[i])
	}
}

// identify notes whose material it is. A replica's is its primary's, and no twin.
func (r *Report) identify(k KeyReport, v VersionReport, identity string) {
	if k.ReplicaOf != "" {
		return
	}
	t := r.byIdentity[identity]
	if t == nil {
		t = &Twin{SHA256: v.SHA256}
		r.byIdentity[identity] = t
	}
	t.Keys = append(t.Keys, k.Ref)
	if !slices.Contains(t.Names, k.Name) {
		t.Names = append(t.Names, k.Name)
	}
}

// Finish lists the twins, and sorts what has no order of its own.
func (r *Report) Finish() {
	for _, t := range r.byIdentity {
		if len(t.Keys) < 2 {
			continue
		}
		r.Twins = append(r.Twins, *t)
		for _, name := range t.Names {
			n := r.Names[name]
			n.Twins++
			r.Names[name] = n
		}
	}
	slices.SortFunc(r.Twins, func(a, b Twin) int { return slices.Compare(a.Keys, b.Keys) })
	slices.SortFunc(r.Keys, func(a, b KeyReport) int { return slices.Compare([]string{a.Ref}, []string{b.Ref}) })
	slices.Sort(r.Orphans)
}
