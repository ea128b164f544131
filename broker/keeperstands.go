package broker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// KeeperStanding is a keeper key as it is on record, with what it guards and how the token
// has it. State is "" for one in the token that no record names.
type KeeperStanding struct {
	ID          KeeperID    `json:"id"`
	State       KeeperState `json:"state"`
	Environment string      `json:"environment"`
	TokenSerial string      `json:"token_serial"`     // of the token it was made in
	MadeAt      time.Time   `json:"made_at,omitzero"` // zero where that is not on record
	RetiredAt   time.Time   `json:"retired_at,omitzero"`
	EndedAt     time.Time   `json:"ended_at,omitzero"`
	Records     int         `json:"records"`         // of wrapped material that nothing else opens
	Held        bool        `json:"held"`            // the token has an object of that id
	Fault       string      `json:"fault,omitempty"` // why that is not as it should be, and what to do
}

// KeeperStandings are the keeper keys of the token, on record and in it, the newest first.
// It changes nothing. Where the record cannot be believed, its error says so, and what the
// token has is shown all the same.
func (b *Broker) KeeperStandings(ctx context.Context) ([]KeeperStanding, error) {
	setup, err := b.token()
	if err != nil {
		return nil, err
	}
	info, err := setup.Token.Info(ctx)
	if err != nil {
		return nil, fmt.Errorf("describe token %s: %w", setup.Name, err)
	}
	var held []KeeperKey
	if keeper, err := keeperOf(setup); err == nil { // else it can have none
		if held, err = keeper.Keepers(ctx); err != nil {
			return nil, err
		}
	}
	enrolled, err := b.o.Store.Enrolments(ctx)
	if err != nil {
		return nil, fmt.Errorf("read enrolments: %w", err)
	}
	if !slices.ContainsFunc(enrolled, func(e Enrolment) bool { return e.Kind == EnrolToken && e.Name == setup.Name }) {
		return withStrangers(nil, held, "the token is not enrolled in this store, which has no record of it"), nil
	}
	onRecord, err := b.keepersThatStand(ctx, info.Serial, held)
	if err != nil {
		return withStrangers(nil, held, "the record cannot be read, or not be believed"), err
	}
	return withStrangers(onRecord, held, "no record of this store names it: it is another store's, or somebody put it there"), nil
}

// keepersThatStand are those on record that were made in this token, or that it has.
func (b *Broker) keepersThatStand(ctx context.Context, serial string, held []KeeperKey) ([]KeeperStanding, error) {
	keepers, made, err := b.allKeepers(ctx)
	if err != nil {
		return nil, err
	}
	var out []KeeperStanding
	for _, k := range keepers {
		s := KeeperStanding{
			ID: k.ID, State: k.State, Environment: k.Environment, TokenSerial: k.TokenSerial, MadeAt: made[k.ID], RetiredAt: k.RetiredAt, EndedAt: k.EndedAt,
		}
		s.against(serial, held)
		if k.TokenSerial != serial && !s.Held {
			continue
		}
		for _, err := range b.o.Store.Retained(ctx, RetainedFilter{Keeper: k.ID}) {
			if err != nil {
				return nil, fmt.Errorf("read what is kept under keeper key %s: %w", k.ID, err)
			}
			s.Records++
		}
		out = append(out, s)
	}
	return out, nil
}

// against holds it against what the token of a serial has; pure.
func (s *KeeperStanding) against(serial string, held []KeeperKey) {
	var of []KeeperKey
	for _, k := range held {
		if k.ID == s.ID {
			of = append(of, k)
		}
	}
	s.Held = len(of) > 0
	switch {
	case s.State == KeeperDestroyed && s.Held:
		s.Fault = fmt.Sprintf("its destruction was begun: keyferry token rotate-keeper --destroy %s --reason … goes on", s.ID)
	case s.State == KeeperDestroyed, s.State == KeeperIntended && !s.Held: // as it should be
	case !s.Held:
		s.Fault = "missing: the token has no such object, and what is kept under it opens with nothing else; restore the token from its backup"
	case s.TokenSerial != serial:
		s.Fault = fmt.Sprintf("it was made in token %s, and this one is a copy of that: nothing is kept under it or opened by it here", s.TokenSerial)
	case len(of) > 1:
		s.Fault = fmt.Sprintf("the token has %d objects of that id: find out who made the others", len(of))
	case of[0].Fault != "":
		s.Fault = of[0].Fault + ": nothing is kept under it or opened by it; find out who changed it"
	case of[0].Environment != s.Environment:
		s.Fault = fmt.Sprintf("it belongs to environment %q in the token: find out who changed it", of[0].Environment)
	}
}

// withStrangers adds those of the token that are not among what is on record.
func withStrangers(onRecord []KeeperStanding, held []KeeperKey, why string) []KeeperStanding {
	out := append([]KeeperStanding{}, onRecord...)
	for _, k := range held {
		if slices.ContainsFunc(out, func(s KeeperStanding) bool { return s.ID == k.ID }) {
			continue
		}
		out = append(out, KeeperStanding{ID: k.ID, Environment: k.Environment, Held: true, Fault: why})
	}
	return out
}

// allKeepers are the keeper keys on record, of whatever token, the newest first, and when
// each was made, held against the audit.
func (b *Broker) allKeepers(ctx context.Context) (all []KeptKeeper, made map[KeeperID]time.Time, err error) {
	all, err = b.o.Store.Keepers(ctx)
	for {
		if err != nil {
			return nil, nil, fmt.Errorf("read keeper keys: %w", err)
		}
		err = b.witness(ctx, keepersSubject, func(t told) error {
			made = t.keepersMade()
			return t.keepers(all)
		})
		if !errors.Is(err, Tampered) {
			break
		}
		now, readErr := b.o.Store.Keepers(ctx)
		if readErr == nil && slices.Equal(all, now) {
			return nil, nil, err
		}
		all, err = now, readErr // others wrote between the reading of both
	}
	return all, made, err
}

// keepersMade says when each keeper key was made.
func (l told) keepersMade() map[KeeperID]time.Time {
	made := map[KeeperID]time.Time{}
	for _, e := range l.entries {
		if id, _ := e.Details["keeper"].(string); e.Event == keeperMade {
			made[KeeperID(id)] = e.At
		}
	}
	return made
}
