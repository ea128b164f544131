package broker

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// Step is one change at a provider inside an operation.
type Step string

// The steps that are effects: what a provider may be marked with.
const (
	StepPrepare  Step = "prepare"
	StepFetch    Step = "fetch"
	StepImport   Step = "import"
	StepReimport Step = "reimport" // the import that is a proof
	StepControl  Step = "control"  // the negative control of an endpoint
	StepRenew    Step = "renew"
	StepWithhold Step = "withhold" // disables what is proven until it is activated
	StepEnable   Step = "enable"   // what was withheld
	StepActivate Step = "activate"
	StepAbandon  Step = "abandon" // takes an import back
)

// Effect is one change at one target: operation + target + step.
type Effect struct {
	Operation string `json:"operation"`
	Target    string `json:"target"`
	Step      Step   `json:"step"`
}

// ID is what a provider is marked with: "kf-" and 32 hex digits, which every
// cloud's tags, labels and descriptions allow. It is derived, so a restarted
// process asks for the same one.
func (e Effect) ID() string {
	sum := sha256.Sum256([]byte(strings.Join([]string{e.Operation, e.Target, string(e.Step)}, "\x00")))
	return "kf-" + hex.EncodeToString(sum[:16])
}

// foundAnew reports whether the step's result, if it is lost with the power, is found out
// by looking, or by doing the step again, which changes nothing then. An import's is not:
// some clouds leave nothing to find a version by.
func (s Step) foundAnew() bool {
	switch s {
	case StepPrepare, StepReimport, StepWithhold, StepEnable, StepActivate:
		return true
	default:
		return false
	}
}
