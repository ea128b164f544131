package faults

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// Kind is what a rule does to a call.
type Kind string

// The kinds. Those marked * honour [Rule.When]; the others act before the commit,
// or on the answer, as said.
const (
	Hold     Kind = "hold"     // * wait until released; the client going away ends the call there
	Fail     Kind = "fail"     // * answer with Code and Status
	Drop     Kind = "drop"     // * close the connection without an answer
	Late     Kind = "late"     // close the connection, commit After later or when released
	Delay    Kind = "delay"    // * wait After, then go on
	Throttle Kind = "throttle" // refuse as over quota, with Retry-After if set
	Deny     Kind = "deny"     // refuse as not permitted
	Expire   Kind = "expire"   // refuse as signed with expired credentials
	Truncate Kind = "truncate" // commit, announce the whole answer, send half of it, close
	Slow     Kind = "slow"     // commit, send the answer in pieces over After
	Lie      Kind = "lie"      // commit, answer falsely: a wrong MAC, public key, plaintext, signature, acceptance
)

// When is the side of the commit on which a rule acts.
type When string

// The sides. Empty means Before.
const (
	Before When = "before"
	After  When = "after"
)

// ClockName says whose seconds a rule counts.
type ClockName string

// The clocks. Empty means Real.
const (
	Real     ClockName = "real"
	Emulator ClockName = "emulator" // moves when the emulator's clock is advanced
)

// Match chooses calls; an empty field matches any.
type Match struct {
	Service string            `json:"service,omitempty"` // "kms", "sts"
	Action  string            `json:"action,omitempty"`  // "ImportKeyMaterial"
	Region  string            `json:"region,omitempty"`
	Key     string            `json:"key,omitempty"`    // key name, from the emulator's name tag
	KeyID   string            `json:"key_id,omitempty"` // the cloud's own id, without ARN
	Tags    map[string]string `json:"tags,omitempty"`   // all must be on the key, or in the call that makes it
}

// Rule is one fault. Its zero fields mean: any call, the first match, once,
// before the commit.
type Rule struct {
	ID         string    `json:"id,omitempty"` // given by the engine where empty
	Match      Match     `json:"match,omitzero"`
	Nth        int       `json:"nth,omitempty"`   // first match that is hit, from 1; 0 is 1
	Count      int       `json:"count,omitempty"` // how many matches are hit; 0 is 1, -1 every one
	Kind       Kind      `json:"kind"`
	When       When      `json:"when,omitempty"`
	Code       string    `json:"code,omitempty"`   // Fail: the service's error code
	Status     int       `json:"status,omitempty"` // Fail: HTTP status; 0 is the one that fits the code
	Message    string    `json:"message,omitempty"`
	RetryAfter int       `json:"retry_after,omitempty"` // Throttle: seconds; 0 sends no header
	After      Seconds   `json:"after,omitempty"`       // Late, Delay, Slow
	Clock      ClockName `json:"clock,omitempty"`       // whose seconds After are
	Await      bool      `json:"await,omitempty"`       // Late: wait for the client to go away instead of closing on it
}

// RuleState is a rule and what became of it.
type RuleState struct {
	Rule
	Matched int `json:"matched"` // calls it matched since it was added
	Hit     int `json:"hit"`     // calls it acted on
}

// Spent reports whether the rule will act no more.
func (s RuleState) Spent() bool { return s.Count >= 0 && s.Hit >= max(s.Count, 1) }

// errRule is what Check wraps.
var errRule = errors.New("bad fault rule")

// Check says what is wrong with r.
func (r Rule) Check() error {
	switch r.Kind {
	case Hold, Drop, Delay, Late, Throttle, Deny, Expire, Truncate, Slow, Lie:
	case Fail:
		if r.Code == "" {
			return fmt.Errorf("%w: fail needs a code", errRule)
		}
	default:
		return fmt.Errorf("%w: no such kind %q", errRule, r.Kind)
	}
	switch {
	case r.When != "" && r.When != Before && r.When != After:
		return fmt.Errorf("%w: when is %q, not before or after", errRule, r.When)
	case r.When == After && !r.bothSides():
		return fmt.Errorf("%w: %s cannot act after the commit", errRule, r.Kind)
	case r.Clock != "" && r.Clock != Real && r.Clock != Emulator:
		return fmt.Errorf("%w: clock is %q, not real or emulator", errRule, r.Clock)
	case r.Nth < 0, r.Count < -1, r.After < 0, r.RetryAfter < 0:
		return fmt.Errorf("%w: nth, count, after and retry_after are not negative (count may be -1)", errRule)
	case r.Status != 0 && (r.Status < 400 || r.Status > 599):
		return fmt.Errorf("%w: status %d is not an error's", errRule, r.Status)
	}
	return nil
}

func (r Rule) bothSides() bool {
	switch r.Kind {
	case Hold, Fail, Drop, Delay:
		return true
	default:
		return false
	}
}

func (r Rule) when() When {
	if r.When == "" {
		return Before
	}
	return r.When
}

// header is what a refusal by r carries.
func (r Rule) header() http.Header {
	h := http.Header{}
	if r.Kind == Throttle && r.RetryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(r.RetryAfter))
	}
	return h
}

// Seconds is a length of time, in JSON a number of seconds.
type Seconds float64

// longest is a century: times further off are beyond what is asked of clouds, and of a
// time.Duration, not much later.
const longest = Seconds(100 * 365 * 24 * 3600)

// check refuses what is no length of time, or too long.
func (s Seconds) check() error {
	if s >= -longest && s <= longest { // false of what is no number
		return nil
	}
	return fmt.Errorf("%g seconds are more than a century", float64(s))
}

// UnmarshalJSON implements json.Unmarshaler.
func (s *Seconds) UnmarshalJSON(text []byte) error {
	if err := json.Unmarshal(text, (*float64)(s)); err != nil {
		return err
	}
	return s.check()
}

// Duration is s as a duration.
func (s Seconds) Duration() time.Duration { return time.Duration(float64(s) * float64(time.Second)) }

func (m Match) fits(c Call) bool {
	fits := func(want, got string) bool { return want == "" || want == got }
	for k, v := range m.Tags {
		if got, ok := c.Tags[k]; !ok || got != v {
			return false
		}
	}
	return fits(m.Service, c.Service) && fits(m.Action, c.Action) && fits(m.Region, c.Region) &&
		fits(m.Key, c.Key) && fits(m.KeyID, c.KeyID)
}
