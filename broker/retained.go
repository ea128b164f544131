package broker

import (
	"crypto/hmac"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Retained is material that is kept wrapped under a keeper key of the token: a record
// that is worth nothing without the token, and is believed only under its seal.
type Retained struct {
	KeyID       string     `json:"key_id"`
	Number      int        `json:"number"`
	Store       string     `json:"store"` // hash of its audit's first entry: which store
	Material    MaterialID `json:"material"`
	Label       string     `json:"label"`
	Spec        KeySpec    `json:"spec"`
	Purpose     Purpose    `json:"purpose"`
	Usage       Usage      `json:"usage"`
	Environment string     `json:"environment"`
	TokenSerial string     `json:"token_serial"`
	Attributes  Attributes `json:"attributes"` // at birth
	PublicKey   []byte     `json:"public_key,omitempty"`
	KCV         []byte     `json:"kcv,omitempty"`
	Keeper      KeeperID   `json:"keeper"`
	Wrapped     []byte     `json:"wrapped,omitempty"`
	At          time.Time  `json:"at"` // when it was wrapped
	// Ended is where the material is instead; "" it is here.
	Ended string `json:"ended,omitempty"`
	Seal  []byte `json:"seal"`
}

// MovedToToken is the end of a record whose material is an object of the token again.
const MovedToToken = "moved into the token"

// Record is what the token seals: every field, each with its length.
func (r Retained) Record() []byte {
	var b strings.Builder
	b.WriteString("keyferry retained material v1\x00")
	usage, _ := json.Marshal(r.Usage)           // flags alone
	attributes, _ := json.Marshal(r.Attributes) // flags and a word
	for _, s := range []string{
		r.KeyID, fmt.Sprint(r.Number), r.Store, string(r.Material), r.Label, string(r.Spec), string(r.Purpose), string(usage),
		r.Environment, r.TokenSerial, string(attributes), string(r.PublicKey), string(r.KCV), string(r.Keeper), string(r.Wrapped),
		r.At.UTC().Truncate(time.Microsecond).Format(time.RFC3339Nano), r.Ended,
	} {
		fmt.Fprintf(&b, "%d:%s,", len(s), s)
	}
	return []byte(b.String())
}

// Sealed reports whether mac is the seal of this record.
func (r Retained) Sealed(mac []byte) error {
	if len(mac) > 0 && hmac.Equal(r.Seal, mac) {
		return nil
	}
	return r.refused("its seal does not match: the record was changed, or sealed by another token")
}

func (r Retained) refused(format string, args ...any) error {
	return &Error{
		Kind: Tampered, Op: "check", Object: r.name(), Cause: fmt.Errorf(format, args...),
		Hint: "nothing was opened; restore the record from a backup, and find out who changed it",
	}
}

// name of the record in errors and in the audit.
func (r Retained) name() string { return retainedRow(r.KeyID, r.Number) }

// of holds a record against the version that it is to be of: a seal shows that it is
// ours, and not that it is this version's.
func (r Retained) of(store string, k Key, v KeyVersion, setup TokenSetup) error {
	for _, f := range []struct{ name, has, want string }{
		{"key", r.KeyID, k.ID},
		{"version", fmt.Sprint(r.Number), fmt.Sprint(v.Number)},
		{"store", r.Store, store},
		{"material", string(r.Material), string(v.Material.ID)},
		{"spec", string(r.Spec), string(k.Spec)},
		{"purpose", string(r.Purpose), string(k.Purpose)},
		{"environment", r.Environment, k.Environment},
		{"environment of the token", setup.Environment, k.Environment},
		{"token", r.TokenSerial, v.Material.TokenSerial},
		{"public key", string(r.PublicKey), string(v.Material.PublicKey)},
		{"end", r.Ended, ""},
	} {
		if f.has != f.want {
			return r.refused("its %s is %q, %q is due", f.name, f.has, f.want)
		}
	}
	return nil
}

// openIn is what the token needs to open it.
func (r Retained) openIn() OpenIn {
	in := OpenIn{
		GenerateIn: GenerateIn{ID: r.Material, Label: r.Label, Spec: r.Spec, Usage: r.Usage},
		PublicKey:  r.PublicKey, Keeper: r.Keeper, Wrapped: r.Wrapped,
	}
	in.Usage.Session = true
	return in
}

// RetainedFilter selects records; empty fields select all.
type RetainedFilter struct {
	KeyID  string
	Keeper KeeperID // of those whose material is kept under it
}

// KeptKeeper is a keeper key on record.
type KeptKeeper struct {
	ID          KeeperID    `json:"id"`
	TokenSerial string      `json:"token_serial"`
	Environment string      `json:"environment"`
	State       KeeperState `json:"state"`
	IntendedAt  time.Time   `json:"intended_at"`
	RetiredAt   time.Time   `json:"retired_at,omitzero"` // no record is under it since
	EndedAt     time.Time   `json:"ended_at,omitzero"`
}

// KeeperState says what a keeper key is for.
type KeeperState string

// The states of a keeper key. A token has one that is intended or current.
const (
	KeeperIntended  KeeperState = "intended"  // to be made: it may be in the token already
	KeeperCurrent   KeeperState = "current"   // new material is kept under it
	KeeperReplaced  KeeperState = "replaced"  // records are under it still
	KeeperRetired   KeeperState = "retired"   // no record is; older backups of the store are
	KeeperDestroyed KeeperState = "destroyed" // in the token
)

var errNoRecord = errors.New("no record of its wrapped material is in the store")
