package gcpemu

import (
	"slices"
	"strconv"
	"time"

	"cloud.google.com/go/kms/apiv1/kmspb"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
)

// States of versions.
const (
	enabled       = kmspb.CryptoKeyVersion_ENABLED
	disabled      = kmspb.CryptoKeyVersion_DISABLED
	destroyed     = kmspb.CryptoKeyVersion_DESTROYED
	scheduled     = kmspb.CryptoKeyVersion_DESTROY_SCHEDULED
	pendingImport = kmspb.CryptoKeyVersion_PENDING_IMPORT
	importFailed  = kmspb.CryptoKeyVersion_IMPORT_FAILED
)

// version is a CryptoKeyVersion. Only settle changes it with time.
type version struct {
	name      string
	key       *key
	created   time.Time
	algorithm algorithm
	state     versionState
	material  *material // nil: none yet, failed or destroyed
	imports   int       // how many times the same material came
	held      *material // what it ever held, without the secret; nil: nothing

	pending pending // while PENDING_IMPORT
	outcome outcome

	generated time.Time // zero: imported
	job       string    // of the last import; "" generated
	imported  time.Time
	failure   string // import_failure_reason

	destroyAt   time.Time
	destroyedAt time.Time
}

// outcome is how a pending import will end: with material, or with a reason.
type outcome struct {
	material *material
	failure  string
}

// settle does what has become due: an import ends, material is destroyed.
func (v *version) settle(now time.Time) {
	switch {
	case v.state == pendingImport && !v.pending.is(now):
		v.finish(now)
	case v.state == scheduled && !now.Before(v.destroyAt):
		v.state, v.destroyedAt, v.material = destroyed, v.destroyAt, nil
	}
}

// finish ends a pending import.
func (v *version) finish(now time.Time) {
	v.state, v.failure = importFailed, v.outcome.failure
	if m := v.outcome.material; m != nil {
		v.state, v.material, v.imported = enabled, m, now
		v.held = m.trace()
		v.imports++
	}
	v.outcome, v.destroyAt, v.destroyedAt = outcome{}, time.Time{}, time.Time{}
}

// number is the version's id.
func (v *version) number() int {
	n, err := strconv.Atoi(last(v.name))
	if err != nil {
		return 0
	}
	return n
}

// reimportable: made by an import, and without material
// (ImportCryptoKeyVersionRequest.crypto_key_version).
func (v *version) reimportable() bool {
	return v.job != "" && (v.state == destroyed || v.state == importFailed)
}

// usable refuses versions that are not ENABLED, as Google does.
func (v *version) usable() error {
	if v.state == enabled {
		return nil
	}
	err := refuse(codes.FailedPrecondition, "%s is not enabled, current state is: %s.", v.name, v.state)
	if v.state != disabled {
		return err
	}
	return explain(err, &errdetails.PreconditionFailure{Violations: []*errdetails.PreconditionFailure_Violation{
		{Type: "KEY_DISABLED", Subject: v.name},
	}})
}

// in refuses a version whose state is not among these.
func (v *version) in(states ...versionState) error {
	if slices.Contains(states, v.state) {
		return nil
	}
	return refuse(codes.FailedPrecondition, "%s is in state %s, want one of %v.", v.name, v.state, states)
}
