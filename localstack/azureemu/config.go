package azureemu

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

	Addr      string         // HTTPS of all vaults; "" is a free port of 127.0.0.1
	EntraAddr string         // HTTPS of the token endpoint; the same
	AdminAddr string         // admin HTTP; the same
	CA        *emu.Authority // of the run; nil makes one
	CAFile    string         // where to write the CA's certificate as PEM; "" nowhere

	Tenant     string // of the default principal and of vaults that name none; "" is DefaultTenant
	Vaults     []Vault
	Principals []Principal // beside the default one, which may do everything

	PoolDir           string // RSA keys made ahead, PKCS#8 files; "" keeps none
	PoolSize          int    // how many of each size are made ahead in the background; 0 none
	ReuseWrappingKeys bool   // one RSA key a size for every RSA-HSM key created; for bulk tests

	Settings Settings
}

// Defaults of Config.
const (
	DefaultTenant   = "72f988bf-0000-4000-8000-6b6579666572"
	DefaultStandard = "standard" // vault of the Standard SKU, when Config names no vaults
	DefaultPremium  = "premium"  // vault of the Premium SKU
	DefaultPool     = "pool"     // Managed HSM
)

// Mode is what a vault is.
type Mode string

// The modes: the two SKUs of Key Vault, and Managed HSM.
const (
	Standard Mode = "standard" // software keys only
	Premium  Mode = "premium"
	HSM      Mode = "hsm"
)

// Vault is a Key Vault or a Managed HSM.
type Vault struct {
	Name            string `json:"name"` // 3..24 letters, digits and hyphens
	Mode            Mode   `json:"mode"`
	Tenant          string `json:"tenant,omitempty"`
	RetentionDays   int    `json:"retention_days,omitempty"` // of soft-deleted keys, 7..90; 0 is 90
	PurgeProtection bool   `json:"purge_protection,omitempty"`
}

// Principal is a service principal, and what it may do. It proves itself by
// certificate, by a federated token or by secret.
type Principal struct {
	ClientID      string         `json:"client_id"`
	ObjectID      string         `json:"object_id,omitempty"`   // "" is made from the client id
	Tenant        string         `json:"tenant,omitempty"`      // "" is the default tenant
	Secret        string         `json:"secret,omitempty"`      // "" keeps what was there
	Certificate   string         `json:"certificate,omitempty"` // PEM of an RSA certificate; "" keeps what was there
	Allow         []string       `json:"allow,omitempty"`       // data actions, "Microsoft.KeyVault/vaults/keys/read"; empty: all
	TokenLifetime faults.Seconds `json:"token_lifetime,omitempty"`
}

// Settings can be changed while the emulator runs (POST /config). The zero value
// is strict, immediate and without quotas.
type Settings struct {
	Lenient          bool               `json:"lenient"`            // where Azure does not say, allow: see README
	RefuseDisabled   bool               `json:"refuse_disabled"`    // get of a disabled key version is refused, as of a secret
	Quotas           bool               `json:"quotas"`             // throttle by Azure's service limits
	Limits           map[string]float64 `json:"limits"`             // transactions in ten seconds by group, instead of Azure's
	RetryAfter       int                `json:"retry_after"`        // seconds that a throttled answer names; 0 names none
	RetryAfterMillis int                `json:"retry_after_millis"` // the same in milliseconds, as retry-after-ms
	DeleteDelay      faults.Seconds     `json:"delete_delay"`       // until a deleted key is deleted
	RecoverDelay     faults.Seconds     `json:"recover_delay"`      // until a recovered key is back
	PurgeDelay       faults.Seconds     `json:"purge_delay"`        // until a purged key's name is free
	TokensFollow     bool               `json:"tokens_follow"`      // tokens grow old by the emulator's clock, not by real time
	PageSize         int                `json:"page_size"`          // pages end after so many entries, whatever maxresults says; 0 is Azure's
	EmptyPages       bool               `json:"empty_pages"`        // each page is preceded by an empty one
}

// Change is a body of POST /config: settings in it replace those before, vaults
// and principals are added or replaced by name or client id. A vault that is
// replaced keeps its keys.
type Change struct {
	Settings   *Settings   `json:"settings,omitempty"`
	Vaults     []Vault     `json:"vaults,omitempty"`
	Principals []Principal `json:"principals,omitempty"`
}

var errConfig = errors.New("bad emulator configuration")
