package broker

import "time"

// Key is a name under one policy. Its name, spec, purpose and environment never
// change; its versions come and go.
type Key struct {
	ID          string            `json:"id"` // 16 random bytes, hex; for ever
	Name        string            `json:"name"`
	Spec        KeySpec           `json:"spec"`
	Purpose     Purpose           `json:"purpose"`
	Policy      string            `json:"policy,omitempty"`
	Environment string            `json:"environment"`
	Owner       string            `json:"owner,omitempty"`
	Tags        map[string]string `json:"tags,omitempty"`
	CreatedAt   time.Time         `json:"created_at"`
}

// State of a key version (SP 800-57 part 1 rev. 5 §7).
type State string

// The states of a key version.
const (
	PreActivation State = "pre-activation"
	Active        State = "active"
	Suspended     State = "suspended" // kept for inquiry: a proof failed
	Deactivated   State = "deactivated"
	Compromised   State = "compromised"
	Destroyed     State = "destroyed"
)

// States lists every state.
func States() []State {
	return []State{PreActivation, Active, Suspended, Deactivated, Compromised, Destroyed}
}

// Retain says what happens to the token's copy of material after the last proof.
type Retain string

// The ways to retain material.
const (
	RetainToken   Retain = "token"   // the object stays
	RetainWrapped Retain = "wrapped" // kept in the store, wrapped under the token's keeper key
	RetainSealed  Retain = "sealed"  // it stays and can never be wrapped again
	RetainNone    Retain = "none"    // it is destroyed
)

// where the material of an unfinished version is.
func (r Retain) where() string {
	if r == RetainWrapped {
		return "kept in the store, wrapped"
	}
	return "in the token"
}

// Retains lists every way to retain material.
func Retains() []Retain { return []Retain{RetainToken, RetainWrapped, RetainSealed, RetainNone} }

// KeyVersion is one set of material of a key, numbered from 1; a number is never
// used twice.
type KeyVersion struct {
	KeyID       string    `json:"key_id"`
	Number      int       `json:"number"`
	State       State     `json:"state"`
	Retain      Retain    `json:"retain"`
	Material    Material  `json:"material"`   // zero until generated
	Provenance  string    `json:"provenance"` // Generated or Adopted
	CreatedAt   time.Time `json:"created_at"`
	ActivatedAt time.Time `json:"activated_at,omitzero"`
}

// Where material comes from.
const (
	Generated = "generated" // born in the token under our eyes
	Adopted   = "adopted"   // it was in the token before: its birth was not ours to see
)

// MaterialID of the version, whether it was generated yet or not.
func (v KeyVersion) MaterialID() MaterialID { return NewMaterialID(v.KeyID, v.Number) }

// PlacementStep says how far a placement has come.
type PlacementStep string

// The steps of a placement. Intended means that nothing is known to be there.
const (
	PlacementIntended  PlacementStep = "intended"
	PlacementStaged    PlacementStep = "staged" // imported
	PlacementProven    PlacementStep = "proven"
	PlacementActive    PlacementStep = "active"
	PlacementAbandoned PlacementStep = "abandoned"
	PlacementFailed    PlacementStep = "failed" // a proof failed: unusable
)

// Placement is one key version at one target.
type Placement struct {
	KeyID      string        `json:"key_id"`
	Number     int           `json:"number"`
	Target     string        `json:"target"`
	Step       PlacementStep `json:"step"`
	Version    VersionRef    `json:"version"` // where it is; zero until known
	Consumer   string        `json:"consumer,omitempty"`
	Remote     RemoteState   `json:"remote,omitempty"` // as last seen
	SeenAt     time.Time     `json:"seen_at,omitzero"`
	ValidTo    time.Time     `json:"valid_to,omitzero"`
	ImportedAt time.Time     `json:"imported_at,omitzero"`
	Transport  Transport     `json:"transport"`
	Proof      Proof         `json:"proof"`
	Terms      Terms         `json:"terms"`
}

// Terms are what a placement was begun with, and keeps whatever the config says
// later.
type Terms struct {
	Name      string        `json:"name,omitempty"`      // the key's own name there, as far as it is ours
	Algorithm string        `json:"algorithm,omitempty"` // in the provider's words; "" what it takes by itself
	Window    time.Duration `json:"window,omitempty"`    // the waiting period the key is made with
	ValidFrom time.Time     `json:"valid_from,omitzero"` // before that it is not used
	Effect    string        `json:"effect,omitempty"`    // id of the effect that brought the version there
	Withheld  bool          `json:"withheld,omitempty"`  // proven, it is disabled until it is activated
}

// Transport is how material crossed.
type Transport struct {
	Mechanism   Mechanism `json:"mechanism,omitempty"`
	Way         Way       `json:"way,omitempty"`
	Strength    int       `json:"strength,omitempty"`    // bits of security on the way
	Fingerprint string    `json:"fingerprint,omitempty"` // of the wrapping key
	// Attestation says what is known of the wrapping key's own: "unchecked" and the
	// SHA-256 of what the provider sent, which is in the audit; "" it sent none.
	Attestation string `json:"attestation,omitempty"`
}

// Proof is what is known about a placement's material, and since when.
type Proof struct {
	Level  ProofLevel `json:"level,omitempty"`
	At     time.Time  `json:"at,omitzero"`
	Failed bool       `json:"failed,omitempty"`
	Detail string     `json:"detail,omitempty"` // why it is no stronger, or what differed
	// Kept are challenges for later checks, made while the token still had the
	// material: retain none.
	Kept []KeptChallenge `json:"kept,omitempty"`
}

// KeptChallenge is a challenge to be used once, with the hash of its answer.
type KeptChallenge struct {
	Message    []byte `json:"message"`
	Ciphertext []byte `json:"ciphertext,omitempty"`
	Answer     []byte `json:"answer"` // SHA-256 of the right answer
}

// KeyView is a key with everything under it, as the inventory shows it.
type KeyView struct {
	Key        Key          `json:"key"`
	Versions   []KeyVersion `json:"versions"`
	Placements []Placement  `json:"placements"`
}

// Version by number; ok is false where there is none.
func (k KeyView) Version(number int) (v KeyVersion, ok bool) {
	for _, v := range k.Versions {
		if v.Number == number {
			return v, true
		}
	}
	return KeyVersion{}, false
}

// Placement of a version at a target; ok is false where there is none.
func (k KeyView) Placement(number int, target string) (p Placement, ok bool) {
	for _, p := range k.Placements {
		if p.Number == number && p.Target == target {
			return p, true
		}
	}
	return Placement{}, false
}
