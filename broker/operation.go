package broker

import (
	"encoding/json"
	"time"
)

// OperationKind says what an operation does.
type OperationKind string

// The kinds of operation.
const (
	OpImport   OperationKind = "import"
	OpActivate OperationKind = "activation" // of a version that was staged without it
	OpRenew    OperationKind = "renewal"
	OpVerify   OperationKind = "verification"
)

// OperationState says how far an operation has come.
type OperationState string

// The states of an operation.
const (
	Running        OperationState = "running"
	Finished       OperationState = "finished"
	Failed         OperationState = "failed" // can be resumed
	UndecidedState OperationState = "undecided"
	Abandoned      OperationState = "abandoned"
)

// OperationStates lists every state.
func OperationStates() []OperationState {
	return []OperationState{Running, Finished, Failed, UndecidedState, Abandoned}
}

// Open reports whether an operation still has something to do.
func (s OperationState) Open() bool { return s != Finished && s != Abandoned }

// Operation is one import, renewal, rotation or destruction. Its id lives for
// ever: it is what people, logs and providers know it by.
type Operation struct {
	ID        string         `json:"id"`
	Kind      OperationKind  `json:"kind"`
	State     OperationState `json:"state"`
	KeyID     string         `json:"key_id"`
	KeyName   string         `json:"key_name"`
	Number    int            `json:"number"`
	Targets   []string       `json:"targets"`
	Params    Params         `json:"params"`
	Actor     Actor          `json:"actor"`
	Reason    string         `json:"reason,omitempty"`
	Ticket    string         `json:"ticket,omitempty"`
	Problem   string         `json:"problem,omitempty"` // why it is not finished
	StartedAt time.Time      `json:"started_at"`
	EndedAt   time.Time      `json:"ended_at,omitzero"`
}

// Params is what an operation was asked to do, so that a resumed one does the
// same.
type Params struct {
	ValidTo    time.Time `json:"valid_to,omitzero"`
	KeepEnd    bool      `json:"keep_end,omitempty"`   // of a renewal: each placement keeps the end it has
	ActivateAt time.Time `json:"activate_at,omitzero"` // zero: as soon as it is proven
	NoActivate bool      `json:"no_activate,omitempty"`
	// Object is the id of material that is adopted, not generated.
	Object MaterialID `json:"object,omitempty"`
	// Trusted: the material is born to be wrapped under trusted keys alone.
	Trusted bool `json:"wrap_with_trusted,omitempty"`
}

// Actor is who an operation was started by.
type Actor struct {
	User string `json:"user"` // of the operating system
	Host string `json:"host"`
	PID  int    `json:"pid,omitempty"`
}

// EffectRecord is the intent of one effect and, once known, its result. Both are
// the broker's own JSON; the store does not look inside.
type EffectRecord struct {
	Effect Effect          `json:"effect"`
	Intent json.RawMessage `json:"intent"`
	Result json.RawMessage `json:"result,omitempty"`
	At     time.Time       `json:"at"`
	DoneAt time.Time       `json:"done_at,omitzero"`
}

// Done reports whether the effect's result is known.
func (r EffectRecord) Done() bool { return len(r.Result) > 0 }

// OperationView is an operation with its effects in the order they were intended.
type OperationView struct {
	Operation Operation      `json:"operation"`
	Effects   []EffectRecord `json:"effects"`
}

// Effect of one target and step; ok is false where none was intended.
func (o OperationView) Effect(target string, step Step) (r EffectRecord, ok bool) {
	for _, r := range o.Effects {
		if r.Effect.Target == target && r.Effect.Step == step {
			return r, true
		}
	}
	return EffectRecord{}, false
}
