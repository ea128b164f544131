package broker

import (
	"crypto/hmac"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// EnrolmentKind is what was enrolled.
type EnrolmentKind string

// The kinds of enrolment.
const (
	EnrolToken  EnrolmentKind = "token"
	EnrolTarget EnrolmentKind = "target"
)

// Enrolment pins what a token or target is, authenticated by the token's seal.
// Who edits config or store without the token cannot make another one.
type Enrolment struct {
	Kind        EnrolmentKind     `json:"kind"`
	Name        string            `json:"name"`
	Environment string            `json:"environment"`
	TokenSerial string            `json:"token_serial"` // of the token that sealed it
	Pins        map[string]string `json:"pins"`         // field of config → value at enrolment
	Findings    map[string]string `json:"findings"`     // what was found out at enrolment, by FindingReimport and the like
	At          time.Time         `json:"at"`
	Seal        []byte            `json:"seal"`
}

// Record is what the token seals: every field, each with its length, so that no
// two enrolments have the same record.
func (e Enrolment) Record() []byte {
	var b strings.Builder
	b.WriteString("keyferry enrolment v1\x00")
	write := func(s string) { fmt.Fprintf(&b, "%d:%s,", len(s), s) }
	for _, s := range []string{
		string(e.Kind), e.Name, e.Environment, e.TokenSerial,
		e.At.UTC().Truncate(time.Microsecond).Format(time.RFC3339Nano),
	} {
		write(s)
	}
	for _, fields := range []map[string]string{e.Pins, e.Findings} {
		write(strconv.Itoa(len(fields)))
		for _, name := range slices.Sorted(maps.Keys(fields)) {
			write(name)
			write(fields[name])
		}
	}
	return []byte(b.String())
}

// FindingReimport is the finding of the negative control: whether the endpoint
// refuses other material as existing.
const FindingReimport = "reimport"

// RefusesOther is the finding under which a reimport counts as a proof.
const RefusesOther = "refuses other material"

// Matches holds config against what was enrolled. Its Tampered error names the
// first field that differs, with both values.
func (e Enrolment) Matches(environment string, pins map[string]string) error {
	if environment != e.Environment {
		return e.differs("environment", e.Environment, environment)
	}
	for _, name := range slices.Sorted(maps.Keys(pins)) {
		if _, ok := e.Pins[name]; !ok {
			return e.differs(name, "nothing", pins[name])
		}
	}
	for _, name := range slices.Sorted(maps.Keys(e.Pins)) {
		if got := pins[name]; got != e.Pins[name] {
			return e.differs(name, e.Pins[name], got)
		}
	}
	return nil
}

func (e Enrolment) differs(field, enrolled, now string) error {
	return &Error{
		Kind: Tampered, Op: "check enrolment of", Object: fmt.Sprintf("%s %s", e.Kind, e.Name),
		Cause: fmt.Errorf("%s is %q in the config, %q was enrolled", field, ShownPin(now), ShownPin(enrolled)),
		Hint:  fmt.Sprintf("undo the change, or enrol again on purpose: keyferry %s enrol", e.Kind),
	}
}

// Sealed reports whether mac is the seal of this enrolment.
func (e Enrolment) Sealed(mac []byte) error {
	if len(mac) > 0 && hmac.Equal(e.Seal, mac) {
		return nil
	}
	return &Error{
		Kind: Tampered, Op: "check enrolment of", Object: fmt.Sprintf("%s %s", e.Kind, e.Name),
		Cause: fmt.Errorf("its seal does not match: the record was changed, or sealed by another token"),
		Hint:  "compare the store with a backup; enrol again only when you know why",
	}
}
