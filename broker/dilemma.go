package broker

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Sighting is one thing that was seen where a person must choose.
type Sighting struct {
	Target string `json:"target,omitempty"` // "" it is in the token, or on record
	// Ref is a key, a version of one, a name that consumers use, or an object in the token.
	Ref         string       `json:"ref"`
	Why         string       `json:"why"` // what it is, and what not
	Observation *Observation `json:"observation,omitempty"`
	Object      *Object      `json:"object,omitempty"`
}

// Dilemma is what an undecided operation saw when it stopped, and what ends it.
type Dilemma struct {
	Seen  []Sighting `json:"seen"`
	First string     `json:"first,omitempty"` // what a person does before these commands help
	Do    []string   `json:"do"`              // each of them ends it
}

// Dilemma is what an undecided operation saw, from an audit that is held against the
// token's seal; nil where it is not undecided.
func (b *Broker) Dilemma(ctx context.Context, o OperationView) (*Dilemma, error) {
	if o.Standing() != UndecidedState {
		return nil, nil //nolint:nilnil // most operations have none
	}
	t, err := b.told(ctx, KeySubject(o.Operation.KeyName))
	if err != nil {
		return nil, err
	}
	return DilemmaOf(o, t.entries)
}

// DilemmaOf reads an operation's dilemma in the audit's entries about its key, oldest
// first; nil where the operation is not undecided. Without entries it is the commands
// alone.
func DilemmaOf(o OperationView, entries []Entry) (*Dilemma, error) {
	if o.Standing() != UndecidedState {
		return nil, nil //nolint:nilnil // most operations have none
	}
	d := Dilemma{Seen: []Sighting{}, Do: o.Operation.ways()}
	for _, e := range slices.Backward(entries) {
		if e.Operation != o.Operation.ID || e.Event != o.Operation.Kind.stopped(UndecidedState) {
			continue
		}
		text, err := json.Marshal(e.Details)
		if err == nil {
			err = json.Unmarshal(text, &d)
		}
		if err != nil {
			return nil, fmt.Errorf("read what operation %s saw: %w", o.Operation.ID, err)
		}
		break
	}
	return &d, nil
}

// stopped is the event that an operation of the kind stopped with.
func (k OperationKind) stopped(s OperationState) string { return string(k) + "." + string(s) }

// ways are the commands that end an operation.
func (o Operation) ways() []string { return []string{o.resumes(), o.goesBack()} }

func (o Operation) resumes() string  { return "keyferry operation resume " + o.ID }
func (o Operation) goesBack() string { return "keyferry operation abort " + o.ID + " --reason …" }

// sighted is an observation at the place, with what is to be said of it.
func (p *place) sighted(o Observation, why string) Sighting { return sighted(p.target.Name, o, why) }

func sighted(target string, o Observation, why string) Sighting {
	return Sighting{Target: target, Ref: strings.TrimSuffix(o.Version.Key.ID+" "+o.Version.ID, " "), Why: why, Observation: &o}
}

// allSighted says the same of several.
func (p *place) allSighted(seen []Observation, why string) []Sighting {
	out := make([]Sighting, 0, len(seen))
	for _, o := range seen {
		out = append(out, p.sighted(o, why))
	}
	return out
}

// keySighted is a key as it was seen, or that it was not.
func (p *place) keySighted(key KeyRef, seen []Observation, why string) []Sighting {
	if len(seen) == 0 {
		return []Sighting{{Target: p.target.Name, Ref: key.ID, Why: why}}
	}
	return p.allSighted(seen, why)
}
