package broker

import (
	"context"
	"encoding/hex"
	"fmt"
	"iter"
	"strconv"
	"strings"
)

// Token is an HSM partition. Key material is a handle: no method returns it, and
// none takes it. Implementations are safe for concurrent use; a session limit of
// the token is waited out, not reported.
type Token interface {
	// Info describes the token and its library.
	Info(ctx context.Context) (TokenInfo, error)
	// Plans is what the token can really do, found by probing with throwaway keys
	// of its own making; one row for each key spec and mechanism, also those that
	// do not work, with the reason.
	Plans(ctx context.Context) ([]Plan, error)
	// Generate makes the material of one key version. With MayExist it first looks
	// for it and returns what is whole; half a pair, or two, is a Conflict. Material
	// that somebody else made meanwhile under the same id stays, and what was just
	// made does not: also a Conflict.
	Generate(ctx context.Context, in GenerateIn) (Material, error)
	// Wrap wraps material inside the token. Only the broker's check can build the
	// wrapping key it takes. Unsupported where the plan is not this token's.
	Wrap(ctx context.Context, m Material, key CheckedWrappingKey) ([]byte, error)
	// Answer performs the token's side of a proof.
	Answer(ctx context.Context, m Material, c Challenge) (Answer, error)
	// Objects lists what is in the token with its attributes: all, or those of one
	// CKA_ID. Values of keys are never among them.
	Objects(ctx context.Context, q ObjectQuery) iter.Seq2[Object, error]
	// Change seals or destroys material. Destroying what is not there is no error.
	Change(ctx context.Context, m Material, c MaterialChange) error
}

// Sealer authenticates the broker's own records with the token's seal key, an
// HMAC-SHA-256 key that never leaves it.
type Sealer interface {
	// Seal returns the 32-byte MAC of record. NotFound before the token is enrolled.
	Seal(ctx context.Context, record []byte) ([]byte, error)
	// MakeSealKey makes the seal key for one environment. The same environment
	// again is no error; another one is a Conflict.
	MakeSealKey(ctx context.Context, environment string) error
}

// Anchorer keeps a small record on the token itself, so that a store that was
// rolled back is noticed. Tokens without data objects answer Unsupported.
type Anchorer interface {
	// Anchor is the record kept under name; NotFound where there is none. It is several
	// where some wrote at once, or one was killed.
	Anchor(ctx context.Context, name string) ([][]byte, error)
	// SetAnchor replaces all of them.
	SetAnchor(ctx context.Context, name string, record []byte) error
}

// Adopter finds material that the broker did not make.
type Adopter interface {
	// Adopt is the handle of material that is in the token under its own id: whole, of
	// the spec, sensitive and extractable, and able to do what Usage asks. It may be
	// able to do more. NotFound where there is none; Conflict where it is not as asked,
	// with what is missing. It changes nothing.
	Adopt(ctx context.Context, in GenerateIn) (Material, error)
}

// HealthChecker makes and destroys a token object: the only check that a removed
// or full token cannot pass.
type HealthChecker interface {
	Health(ctx context.Context) error
}

// TokenInfo is what a token says of itself (CK_TOKEN_INFO, CK_INFO).
type TokenInfo struct {
	Label        string `json:"label"`
	Serial       string `json:"serial"`
	Manufacturer string `json:"manufacturer"`
	Model        string `json:"model"`
	Firmware     string `json:"firmware"`
	Library      string `json:"library"`               // description and version of the module
	Environment  string `json:"environment,omitempty"` // of its seal key; "" before enrolment
}

// MaterialID is the identity of one key version's material inside a token: its
// CKA_ID, from the key's id and the version number, so that an object found in a
// token names its key.
type MaterialID string

// NewMaterialID is "kf-" + key id + "-" + number.
func NewMaterialID(keyID string, number int) MaterialID {
	return MaterialID("kf-" + keyID + "-" + strconv.Itoa(number))
}

// Parse splits an id made by NewMaterialID; ok is false for a foreign one.
func (m MaterialID) Parse() (keyID string, number int, ok bool) {
	rest, ours := strings.CutPrefix(string(m), "kf-")
	i := strings.LastIndexByte(rest, '-')
	if !ours || i < 1 {
		return "", 0, false
	}
	number, err := strconv.Atoi(rest[i+1:])
	if err != nil || number < 1 || NewMaterialID(rest[:i], number) != m {
		return "", 0, false
	}
	return rest[:i], number, true
}

// GenerateIn asks for the material of one key version.
type GenerateIn struct {
	ID       MaterialID
	Label    string // for people who look at the token: "payments/db v1"
	Spec     KeySpec
	Usage    Usage
	MayExist bool // an earlier run may have made it
	// Sole is asked once it was made: whether nobody else may have made it meanwhile. Where
	// it is nil or says no, the token is searched, which may take as long as it has objects.
	Sole func() bool `json:"-"`
}

// Alone reports that nobody else may have made it.
func (in GenerateIn) Alone() bool { return in.Sole != nil && in.Sole() }

// Usage is what the token's own copy may be used for besides wrapping: just what
// its proofs need, fixed at birth. The copy of a key pair gets none.
type Usage struct {
	MAC        bool `json:"mac,omitempty"`        // CKA_SIGN on an HMAC key
	Encrypt    bool `json:"encrypt,omitempty"`    // CKA_ENCRYPT on an AES key
	Modifiable bool `json:"modifiable,omitempty"` // needed to seal it later
	Session    bool `json:"session,omitempty"`    // not stored in the token: throwaway
	// Trusted is CKA_WRAP_WITH_TRUSTED: it is wrapped under nothing but what the token's
	// security officer marked.
	Trusted bool `json:"wrap_with_trusted,omitempty"`
}

// Material is a handle on key material in a token. Its identity is ID and
// TokenSerial; the rest is what the token said when it was made.
type Material struct {
	ID          MaterialID `json:"id"`
	TokenSerial string     `json:"token_serial"`
	Spec        KeySpec    `json:"spec"`
	PublicKey   []byte     `json:"public_key,omitempty"` // pairs: DER SubjectPublicKeyInfo (RFC 5280)
	KCV         []byte     `json:"kcv,omitempty"`        // secrets: CKA_CHECK_VALUE where the token gives one: a hint for people, never identity
	Attributes  Attributes `json:"attributes"`
	// Ended is what retaining did to the token's copy: sealed or destroyed; "" it
	// can still be wrapped. Tokens do not look at it.
	Ended MaterialChange `json:"ended,omitempty"`
}

// Attributes are the boolean facts about an object that evidence needs, read
// back from the token. A nil one was not answered.
type Attributes struct {
	Local            *bool  `json:"local,omitempty"`
	Sensitive        *bool  `json:"sensitive,omitempty"`
	AlwaysSensitive  *bool  `json:"always_sensitive,omitempty"`
	Extractable      *bool  `json:"extractable,omitempty"`
	NeverExtractable *bool  `json:"never_extractable,omitempty"`
	Modifiable       *bool  `json:"modifiable,omitempty"`
	Private          *bool  `json:"private,omitempty"`
	WrapWithTrusted  *bool  `json:"wrap_with_trusted,omitempty"`
	Trusted          *bool  `json:"trusted,omitempty"`           // CKA_TRUSTED: the security officer marked it
	KeyGenMechanism  string `json:"key_gen_mechanism,omitempty"` // "CKM_AES_KEY_GEN", or 0x…
}

// Object is one object in a token, without its value.
type Object struct {
	ID         MaterialID `json:"id"`    // hex: for a CKA_ID that is not printable
	Class      string     `json:"class"` // secret private public data, or unreadable
	Label      string     `json:"label"` // of what is unreadable, why
	Spec       KeySpec    `json:"spec,omitempty"`
	Attributes Attributes `json:"attributes"`
}

// ClassUnreadable is the class of an object of which the token says nothing.
const ClassUnreadable = "unreadable"

// ObjectID turns a CKA_ID into a MaterialID: as text where it is printable
// ASCII, else as "0x" and hex.
func ObjectID(ckaID []byte) MaterialID {
	for _, b := range ckaID {
		if b < 0x21 || b > 0x7e {
			return MaterialID("0x" + hex.EncodeToString(ckaID))
		}
	}
	return MaterialID(ckaID)
}

// ObjectQuery selects objects: all of them, or those of one id.
type ObjectQuery struct {
	ID MaterialID
}

// MaterialChange is what can happen to material after its birth.
type MaterialChange string

// The changes of material.
const (
	Seal    MaterialChange = "seal"    // EXTRACTABLE=false: it can never be wrapped again
	Destroy MaterialChange = "destroy" // every object of its id
	// Discard destroys what was found to be incomplete, half a pair or two of one
	// id, and only that: Conflict where it is whole, so that what somebody else made
	// meanwhile stays.
	Discard MaterialChange = "discard"
	// DiscardUnborn destroys that, and what the token did not generate to its end: of
	// material that is to be generated. What was stored, as kept material is, was not
	// generated there either, and may be the only copy.
	DiscardUnborn MaterialChange = "discard unborn"
)

// String shows a handle in errors and logs.
func (m Material) String() string { return fmt.Sprintf("material %s in token %s", m.ID, m.TokenSerial) }
