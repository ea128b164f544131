package faults

import "time"

// Call is what an emulator knows of a request before it does it.
type Call struct {
	Service   string            `json:"service"`
	Action    string            `json:"action"`
	Account   string            `json:"account,omitempty"`
	Region    string            `json:"region,omitempty"`
	AccessKey string            `json:"access_key,omitempty"` // its id, never the secret
	RequestID string            `json:"request_id,omitempty"`
	Key       string            `json:"key,omitempty"`    // key name, from the emulator's name tag
	KeyID     string            `json:"key_id,omitempty"` // the cloud's own id
	Tags      map[string]string `json:"tags,omitempty"`
}

// State is how far a call came.
type State string

// The states, in order. A call ends as answered, dropped or abandoned.
const (
	Running   State = "running"
	Held      State = "held"      // waiting for release or its delay's end, before or after its commit
	Waiting   State = "waiting"   // late: the client is gone, the commit is to come
	Answered  State = "answered"  // the client has its answer, or a part of it
	Dropped   State = "dropped"   // ended without an answer
	Abandoned State = "abandoned" // the client went away before an answer was written
)

// CallState is one line of the log of calls.
type CallState struct {
	Call
	N           int       `json:"n"`   // of all calls, from 1
	Nth         int       `json:"nth"` // of this action
	State       State     `json:"state"`
	Side        When      `json:"side,omitempty"`  // where it is or was held
	Fault       string    `json:"fault,omitempty"` // id of the rule that hit it
	Committed   bool      `json:"committed"`       // it was performed, without error
	Status      int       `json:"status,omitempty"`
	Code        string    `json:"code,omitempty"` // error code of its true outcome; empty: none
	At          time.Time `json:"at"`             // by the emulator's clock
	CommittedAt time.Time `json:"committed_at,omitzero"`
}

// CallQuery chooses calls of the log; an empty field matches any.
type CallQuery struct {
	Match
	State     State  `json:"state,omitempty"`
	Fault     string `json:"fault,omitempty"`
	Committed bool   `json:"committed,omitempty"` // only those that are
	Since     int    `json:"since,omitempty"`     // only those with N greater
}

func (q CallQuery) fits(c CallState) bool {
	return q.Match.fits(c.Call) && (q.State == "" || q.State == c.State) && (q.Fault == "" || q.Fault == c.Fault) &&
		(!q.Committed || c.Committed) && c.N > q.Since
}
