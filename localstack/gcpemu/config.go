package gcpemu

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

	Addr      string         // gRPC over TLS; "" is a free port of 127.0.0.1
	PlainAddr string         // gRPC without TLS, on loopback whatever it says; the same
	TokenAddr string         // HTTPS of the token services; the same
	AdminAddr string         // admin HTTP; the same
	Hosts     []string       // further names in the TLS certificate
	CA        *emu.Authority // nil makes one
	CAFile    string         // where to write the CA's certificate as PEM; "" nowhere

	Project    string      // of the default principal; "" is DefaultProject
	KeyRings   []string    // resource names of those that exist at start, also after a reset; nil is DefaultKeyRing
	Locations  []Location  // nil is DefaultLocations
	Principals []Principal // beside the default one, which may do everything

	PoolDir           string // wrapping keys made ahead, PKCS#8 files; "" keeps none
	PoolSize          int    // how many of each size are made ahead in the background; 0 none
	ReuseWrappingKeys bool   // one wrapping key a size for every import job; for bulk tests

	Settings Settings
}

// Defaults of Config.
const (
	DefaultProject = "keyferry-emulator"
	DefaultKeyRing = "projects/" + DefaultProject + "/locations/europe-west3/keyRings/keyferry"
)

// Location is a place of the emulated service.
type Location struct {
	ID  string `json:"id"`  // "europe-west3"
	HSM bool   `json:"hsm"` // keys of protection level HSM can be made here
}

// DefaultLocations are three with an HSM and two without. It is not Google's list.
func DefaultLocations() []Location {
	return []Location{
		{"europe-west3", true},
		{"europe-west4", true},
		{"us-east1", true},
		{"europe-west99", false},
		{"global", false},
	}
}

// Principal is a service account and what it may do, everywhere.
type Principal struct {
	Email       string   `json:"email"`
	Permissions []string `json:"permissions,omitempty"` // "cloudkms.importJobs.useToImport"; none is all
}

// ImportErrors says how imports of bad wrapped material fail.
type ImportErrors string

// How they do. Google lists the reasons as those of IMPORT_FAILED and does not say
// which of them a client sees at once.
const (
	ImportFails   ImportErrors = ""        // the version ends as IMPORT_FAILED, always
	LengthRefused ImportErrors = "lengths" // a length that cannot be is INVALID_ARGUMENT at once
	ImportRefused ImportErrors = "refused" // everything is INVALID_ARGUMENT at once
)

// Settings can be changed while the emulator runs (POST /config). The zero value is
// strict, without delays and without quotas.
type Settings struct {
	Lenient      bool               `json:"lenient"`       // where Google does not say, allow: see README
	Quotas       bool               `json:"quotas"`        // RESOURCE_EXHAUSTED by project, location and group
	Rates        map[string]float64 `json:"rates"`         // a minute by group ("read", "write", "software", "hsm"), instead of the usual ones
	JobReads     int                `json:"job_reads"`     // a new import job is PENDING_GENERATION for so many gets
	JobFor       faults.Seconds     `json:"job_for"`       // or for so long by the emulator's clock
	ImportReads  int                `json:"import_reads"`  // an import is PENDING_IMPORT for so many gets of the version
	ImportFor    faults.Seconds     `json:"import_for"`    // or for so long
	ImportErrors ImportErrors       `json:"import_errors"` // how bad material fails
	PageSize     int                `json:"page_size"`     // pages end after so many entries, whatever page_size says; 0 is the usual
}

// Change is a body of POST /config: settings in it replace those before; principals
// are added or replaced by email, key rings are made where they are missing.
type Change struct {
	Settings   *Settings   `json:"settings,omitempty"`
	Principals []Principal `json:"principals,omitempty"`
	KeyRings   []string    `json:"key_rings,omitempty"`
}

var errConfig = errors.New("bad emulator configuration")
