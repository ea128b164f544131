package broker

import "context"

// Keeper keeps material outside the token, wrapped under a key of the token's own
// that never leaves it and can do nothing else: the keeper key. A wrap binds neither
// name nor type, so who keeps it authenticates that beside it (Retained).
type Keeper interface {
	// KeepPlans is what keeping is worth with this token, found by probing with
	// throwaway keys: one row for each key spec, also those that it cannot keep.
	KeepPlans(ctx context.Context) ([]KeepPlan, error)
	// Keepers are the keeper keys in the token, checked: one that could leave the token,
	// be changed or do anything else, or that was not made in it, has a fault.
	Keepers(ctx context.Context) ([]KeeperKey, error)
	// MakeKeeper makes the keeper key of that id, for the environment of the seal key.
	// One that is there already is checked, and is no error.
	MakeKeeper(ctx context.Context, id KeeperID) error
	// DestroyKeeper destroys a keeper key, and with it what it alone can open. One that
	// is not there is no error.
	DestroyKeeper(ctx context.Context, id KeeperID) error
	// Keep wraps material that is in the token, or open, under a keeper key. The same
	// material under the same keeper key comes out the same.
	Keep(ctx context.Context, m Material, under KeeperID) ([]byte, error)
	// Open makes kept material usable under its id: as a session object, which Release
	// ends, or stored in the token. Open already, it stays so. What comes out is held
	// against what was asked; Rejected where the token does not take the wrap.
	Open(ctx context.Context, in OpenIn) (Material, error)
	// Release ends the session object of an id that was opened or generated, and no other,
	// and says that nothing is done with that material for now: what was remembered of it,
	// to be quick, may go. What is not open is no error.
	Release(ctx context.Context, id MaterialID) error
}

// OpenIn is kept material, as it was asked for when it was born.
type OpenIn struct {
	GenerateIn        // Usage.Session: as a session object
	PublicKey  []byte // pairs: DER SubjectPublicKeyInfo, as the record has it
	Keeper     KeeperID
	Wrapped    []byte
}

// KeeperID is the identity of a keeper key in its token: its CKA_ID.
type KeeperID string

// KeeperPrefix begins the id of every keeper key.
const KeeperPrefix = "keyferry-keeper-"

// NewKeeperID is one that was never used.
func NewKeeperID() KeeperID { return KeeperID(KeeperPrefix + newID(8)) }

// KeeperKey is a keeper key as its token has it.
type KeeperKey struct {
	ID          KeeperID `json:"id"`
	Environment string   `json:"environment"`
	Fault       string   `json:"fault,omitempty"` // why nothing is kept under it
}

// KeepPlan says whether a token can keep material of one key spec wrapped.
type KeepPlan struct {
	Spec      KeySpec `json:"spec"`
	AESNumber uint    `json:"aes_number,omitempty"` // PKCS#11 number of AES key wrap with padding
	Works     bool    `json:"works"`
	// Guarded: the keeper key makes nothing that can be read, whatever is asked of it.
	// Without it, whoever has the PIN and a wrap has the key: not for production.
	Guarded bool   `json:"guarded"`
	Reason  string `json:"reason,omitempty"` // why it does not work, or is not guarded
}
