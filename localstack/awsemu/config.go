package awsemu

import (
	"errors"
	"log/slog"
	"time"

	"github.com/keyferry/keyferry/localstack/emu"
	"github.com/keyferry/keyferry/localstack/faults"
)

// Config is what an emulator starts with. Only Now is required.
type Config struct {
	Now func() time.Time // real time; the emulator's clock starts there
	Log *slog.Logger     // nil: silent

	Addr      string         // HTTP; "" is a free port of 127.0.0.1
	TLSAddr   string         // HTTPS; the same
	AdminAddr string         // admin HTTP; the same
	Hosts     []string       // further names in the TLS certificate
	CA        *emu.Authority // the run CA, which other emulators may share; nil makes one
	CAFile    string         // where to write the run CA's certificate as PEM; "" nowhere

	AccountID  string // of the default credentials; "" is DefaultAccount
	AccessKeys []AccessKey
	Roles      []Role

	PoolDir           string // wrapping keys made ahead, PKCS#8 files; "" keeps none
	PoolSize          int    // how many of each size are made ahead in the background; 0 none
	ReuseWrappingKeys bool   // one wrapping key a size for every request; for bulk tests

	// Reveal gives out the bytes of what was imported (GET /materials), for tests that look
	// for them where they must not be.
	Reveal bool

	KeyNameTag string // tag that names a key in faults and report; "" is DefaultKeyNameTag
	Settings   Settings
}

// Defaults of Config.
const (
	DefaultAccount    = "000000000000"
	DefaultKeyNameTag = "keyferry:key"
)

// AccessKey is a set of credentials and what they may do: what Allow names, and all
// if it names nothing, but for what Deny names. A name is that of a permission, and
// may end in "*".
type AccessKey struct {
	ID        string    `json:"id"`
	Secret    string    `json:"secret,omitempty"`
	Session   string    `json:"session,omitempty"` // token that must come with it; "" none
	Account   string    `json:"account,omitempty"` // "" is the default account
	User      string    `json:"user,omitempty"`    // name in ARNs; "" is "tester"
	Allow     []string  `json:"allow,omitempty"`   // "kms:ImportKeyMaterial", "sts:AssumeRole", "kms:*"
	Deny      []string  `json:"deny,omitempty"`    // the same
	ExpiresAt time.Time `json:"expires_at,omitzero"`
}

// Role can be assumed by every access key that may sts:AssumeRole.
type Role struct {
	ARN        string   `json:"arn"`                   // arn:aws:iam::ACCOUNT:role/NAME
	ExternalID string   `json:"external_id,omitempty"` // required when set
	Allow      []string `json:"allow,omitempty"`       // for its sessions, as of AccessKey
	Deny       []string `json:"deny,omitempty"`        // the same
}

// Settings can be changed while the emulator runs (POST /config). The zero value
// is strict, consistent and without quotas.
type Settings struct {
	Lenient          bool               `json:"lenient"`           // where AWS does not say, allow: see README
	Quotas           bool               `json:"quotas"`            // throttle by AWS's request quotas
	Rates            map[string]float64 `json:"rates"`             // requests a second by action, instead of AWS's
	HiddenReads      int                `json:"hidden_reads"`      // a new key, alias, tag, state is not seen by so many reads
	HiddenFor        faults.Seconds     `json:"hidden_for"`        // or not for so long by the emulator's clock
	RotationDelay    faults.Seconds     `json:"rotation_delay"`    // until RotateKeyOnDemand takes effect
	ReplicationDelay faults.Seconds     `json:"replication_delay"` // how long keys are Creating or Updating
	FormOnly         bool               `json:"form_only"`         // wrapped secrets are checked in form, not opened: see README
	PageSize         int                `json:"page_size"`         // pages end after so many entries, whatever Limit says; 0 is AWS's
}

// Change is a body of POST /config: settings in it replace those before, access
// keys and roles are added or replaced by id.
type Change struct {
	Settings   *Settings   `json:"settings,omitempty"`
	AccessKeys []AccessKey `json:"access_keys,omitempty"`
	Roles      []Role      `json:"roles,omitempty"`
}

var errConfig = errors.New("bad emulator configuration")
