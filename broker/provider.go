package broker

import (
	"context"
	"iter"
	"time"
)

// Provider is one target: an account of one service at one place. Plain data
// goes in and comes out, so that an adapter can live in another process later.
//
// Every method answers errors of the kinds in errors.go. A changing call whose
// answer was lost is Unclear and is never repeated by the adapter or its SDK:
// the broker looks first. A read that failed for a passing reason is Unavailable.
// Every answer that names an account, region or resource is held against the
// enrolment the adapter was opened with; a foreign one is Tampered.
type Provider interface {
	// Capabilities is data, without I/O.
	Capabilities() Capabilities
	// Prepare makes the empty key that material goes into, marked with the
	// effect's id. Where Capabilities.PrepareFinds, calling it again finds it: what
	// has its name and is not as PrepareIn asks, or was made before PrepareIn.At, is
	// somebody else's and a Conflict. Where Capabilities.ImportMakesKey it makes
	// nothing, and says where the key will be.
	Prepare(ctx context.Context, e Effect, in PrepareIn) (Prepared, error)
	// WrappingKey asks for a wrapping key and import token for one key. Where
	// Capabilities.KeepsWrappingKeys it makes one, unless WrappingKeyIn.Kept names one
	// that a recorded operation of ours had made: then it fetches just that, and
	// answers NotFound or Expired where it can no longer be used. Making one may be
	// Unclear; the broker then has another made.
	WrappingKey(ctx context.Context, e Effect, in WrappingKeyIn) (WrappingKey, error)
	// Import sends wrapped material. Expired and Rejected are final: nothing was
	// imported.
	Import(ctx context.Context, e Effect, in ImportIn) (Imported, error)
	// Do performs one action on a version. Conflict when Action.Expect is not what
	// is there.
	Do(ctx context.Context, e Effect, v VersionRef, a Action) (Receipt, error)
	// Prove performs the provider's side of a proof: read-only.
	Prove(ctx context.Context, v VersionRef, c Challenge) (Answer, error)
	// Look observes: one effect, key, version or consumer name, or everything of
	// the target. What does not exist yields nothing and no error.
	Look(ctx context.Context, q Query) iter.Seq2[Observation, error]
}

// Identifier says who the broker is at a target: for enrolment, doctor and audit.
type Identifier interface {
	Identify(ctx context.Context) (Identity, error)
}

// Identity is the provider's own answer to "who am I".
type Identity struct {
	Account   string  `json:"account"`   // account, project or tenant
	Principal string  `json:"principal"` // role or user, in the provider's words
	Receipt   Receipt `json:"receipt"`
}

// Receipt is what a call leaves for the evidence. Fields that a transport does
// not have stay empty.
type Receipt struct {
	Call       string    `json:"call,omitempty"`        // the provider's name of the call
	RequestID  string    `json:"request_id,omitempty"`  // given by the provider
	Endpoint   string    `json:"endpoint,omitempty"`    // host:port spoken to
	TLSVersion string    `json:"tls_version,omitempty"` // "TLS 1.3"; empty on plain HTTP
	TLSGroup   string    `json:"tls_group,omitempty"`   // "X25519MLKEM768"
	TLSPeer    string    `json:"tls_peer,omitempty"`    // SHA-256 of the peer's certificate, hex
	ServerTime time.Time `json:"server_time,omitzero"`  // the answer's Date
}

// KeyRef names a key at a provider, in full: ARN, resource name, or key id URL.
type KeyRef struct {
	ID string `json:"id"`
}

// VersionRef names one version of a key at a provider.
type VersionRef struct {
	Key KeyRef `json:"key"`
	// ID is the provider's own id of the version: a key-material id, a number.
	// Empty where the key itself is the version.
	ID string `json:"id,omitempty"`
	// Via addresses the version as consumers do, by the consumer name, for the
	// proof after activation. Empty addresses it by its own name.
	Via string `json:"via,omitempty"`
}

// WrappingKeyIn is what a wrapping key is asked for.
type WrappingKeyIn struct {
	Key       KeyRef
	Mechanism Mechanism
	// Kept is the id of a wrapping key that a recorded operation had made; "" none.
	Kept string
}

// PrepareMode says where new material goes.
type PrepareMode string

// The modes of Prepare.
const (
	NewKey  PrepareMode = "new-key"
	SameKey PrepareMode = "same-key" // a further version of PrepareIn.Prior's key
)

// PrepareIn describes the key to make or find.
type PrepareIn struct {
	Name    string // the broker's name of the key
	KeyID   string // the broker's id of the key
	Number  int    // version number
	Spec    KeySpec
	Purpose Purpose
	Tags    map[string]string // the customer's own; the adapter adds the broker's
	Mode    PrepareMode
	Prior   *VersionRef
	Replica *KeyRef // the primary this is a replica of
	// MultiRegion: replicas of it will follow.
	MultiRegion bool
	// RemoteName is the key's name at the provider, where it has one of ours.
	RemoteName string
	// Algorithm is the provider's word for what the key computes; "" is what it
	// takes by itself for the spec and purpose.
	Algorithm string
	// Window is the waiting period before deletion, where a key is made with one; 0
	// is the provider's default.
	Window time.Duration
	// At is when it was intended: what was made before, less the slack of clocks, is
	// not ours.
	At time.Time
}

// Prepared is the answer to Prepare.
type Prepared struct {
	Key KeyRef `json:"key"`
	// PolicyHash is SHA-256, hex, of the key policy that was sent, in canonical form.
	PolicyHash string  `json:"policy_hash,omitempty"`
	Receipt    Receipt `json:"receipt"`
}

// ImportKind says what an import is to the provider.
type ImportKind string

// The kinds of import.
const (
	ImportNew      ImportKind = "new"      // material the provider has not seen
	ImportExisting ImportKind = "existing" // the same material again: renewal, proof
	ImportRestore  ImportKind = "restore"  // the same material after it was deleted or expired
)

// ImportIn is one import.
type ImportIn struct {
	Key       KeyRef
	Kind      ImportKind
	Version   *VersionRef // for existing and restore
	Spec      KeySpec
	Mechanism Mechanism
	Wrapped   []byte    // wrapped material, as the token returned it
	Token     []byte    // import token
	ValidTo   time.Time // zero: does not expire
	ValidFrom time.Time // zero: at once
	// Of is what the key was prepared as, for providers that learn it with the import.
	Of PrepareIn
}

// Imported is the answer to Import.
type Imported struct {
	Version VersionRef `json:"version"`
	// Consumer is what consumers use, in the provider's words, once the version is
	// active; "" where that is a name of ours (GivenName).
	Consumer string  `json:"consumer,omitempty"`
	Receipt  Receipt `json:"receipt"`
}

// ActionKind is something done to a version that is there already.
type ActionKind string

// The actions. What they lead to is in DESIGN's words; an adapter that has no
// such thing answers Unsupported.
const (
	Activate       ActionKind = "activate"        // Consumer now points at the version
	Deactivate     ActionKind = "deactivate"      // Consumer points at Expect again, or at nothing
	Disable        ActionKind = "disable"         // cannot be used until enabled
	Enable         ActionKind = "enable"          //
	DeleteMaterial ActionKind = "delete-material" // the cloud's copy only; the same material can come again
	Schedule       ActionKind = "schedule"        // deletion of the whole key, after Window
	Cancel         ActionKind = "cancel"          // of a scheduled deletion
	SetEnd         ActionKind = "set-end"         // ValidTo, where the end can be moved without importing again
)

// Action is one action with what it needs.
type Action struct {
	Kind     ActionKind `json:"kind"`
	Consumer string     `json:"consumer,omitempty"` // what consumers use
	// Expect is what Consumer had before, "" none: the KeyRef.ID where they are given a
	// name (GivenName), the VersionRef.ID of the primary where they are given that.
	Expect  string        `json:"expect,omitempty"`
	Window  time.Duration `json:"window,omitempty"`  // waiting period of Schedule, where one can be chosen
	ValidTo time.Time     `json:"valid_to,omitzero"` // of SetEnd; zero: no end
}

// Query selects what Look yields; exactly one field is set.
type Query struct {
	Effect   string      // effect id: what was marked with it
	Key      *KeyRef     // the key, with its current version
	Version  *VersionRef // one version
	Versions *KeyRef     // every version of a key
	Consumer string      // what consumers get by this
	Name     string      // what is there under a key's name of ours, deleted or not (Capabilities.NamesKeys)
	All      bool        // every key of the target
}

// RemoteState is a provider's state of a key or version, in common words.
type RemoteState string

// The remote states.
const (
	RemotePending    RemoteState = "pending-import" // waits for material
	RemoteImporting  RemoteState = "importing"      // accepted, not finished
	RemoteEnabled    RemoteState = "enabled"
	RemoteDisabled   RemoteState = "disabled"
	RemoteScheduled  RemoteState = "pending-deletion"
	RemoteFailed     RemoteState = "import-failed"
	RemoteUpdating   RemoteState = "updating" // passing: look again
	RemoteDestroyed  RemoteState = "destroyed"
	RemoteUnexpected RemoteState = "unexpected" // not in the adapter's table; Raw has it
)

// Origin says who made the material.
type Origin string

// The origins.
const (
	OriginExternal Origin = "external" // ours
	OriginProvider Origin = "provider"
)

// Observation is one key or version as seen at a provider at one time.
type Observation struct {
	Version     VersionRef        `json:"version"`                // Key is always set
	Effect      string            `json:"effect,omitempty"`       // the effect id it is marked with: nominates, never proves
	Name        string            `json:"name,omitempty"`         // the broker's key name it is marked with
	KeyID       string            `json:"key_id,omitempty"`       // the broker's key id it is marked with
	Batch       string            `json:"batch,omitempty"`        // WrappingKey.Source that it was imported under, where one serves many
	WrappingKey string            `json:"wrapping_key,omitempty"` // WrappingKey.Ref of one that is kept, whoever made it: its key holds nothing else
	Origin      Origin            `json:"origin,omitempty"`
	State       RemoteState       `json:"state"`
	Raw         string            `json:"raw,omitempty"` // the state in the provider's words
	HasMaterial bool              `json:"has_material"`
	Restorable  bool              `json:"restorable,omitempty"` // it has none, and an import of the same material brings it back
	Spec        KeySpec           `json:"spec,omitempty"`       // "" for one the broker has no word for
	Purpose     Purpose           `json:"purpose,omitempty"`
	PolicyHash  string            `json:"policy_hash,omitempty"`  // SHA-256, hex, of the key policy in canonical form
	PolicyMatch bool              `json:"policy_match,omitempty"` // it is the one the adapter sends
	Replica     bool              `json:"replica,omitempty"`
	Consumers   []string          `json:"consumers,omitempty"` // names that lead to it now
	Consumer    string            `json:"consumer,omitempty"`  // what consumers will use once it is active, as in Imported
	Tags        map[string]string `json:"tags,omitempty"`
	CreatedAt   time.Time         `json:"created_at,omitzero"`
	ValidFrom   time.Time         `json:"valid_from,omitzero"`
	ValidTo     time.Time         `json:"valid_to,omitzero"`
	DeletionAt  time.Time         `json:"deletion_at,omitzero"`
	Reason      string            `json:"reason,omitempty"` // why it failed, in plain words
	SeenAt      time.Time         `json:"seen_at,omitzero"` // by the provider's clock where it says one
	Receipt     Receipt           `json:"receipt"`
}
