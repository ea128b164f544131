package storetest

import (
	"errors"

	"github.com/keyferry/keyferry/broker"
)

// refusal is one reason why a change is refused. old is what is stored already.
type refusal struct {
	name  string
	kind  broker.Kind
	spoil func(c *broker.Change, old broker.Change)
}

func refusals() []refusal {
	return append(append(keyRefusals(), operationRefusals()...), otherRefusals()...)
}

func keyRefusals() []refusal {
	return []refusal{
		{"a key whose name exists", broker.Conflict, func(c *broker.Change, old broker.Change) { c.NewKey.Name = old.NewKey.Name }},
		{"a key whose id exists", broker.Conflict, func(c *broker.Change, old broker.Change) { c.NewKey.ID = old.NewKey.ID }},
		{"a key with a NUL in it", broker.Misuse, func(c *broker.Change, _ broker.Change) { c.NewKey.Owner = "a\x00b" }},
		{"a tag with a NUL in it", broker.Misuse, func(c *broker.Change, _ broker.Change) { c.NewKey.Tags = map[string]string{"\x00": ""} }},
		{"a tag that is no UTF-8", broker.Misuse, func(c *broker.Change, _ broker.Change) { c.NewKey.Tags = map[string]string{"a": "\xff"} }},
		{"a version whose number exists", broker.Conflict, func(c *broker.Change, old broker.Change) { *c.NewVersion = *old.NewVersion }},
		{"a version of no key", broker.NotFound, func(c *broker.Change, _ broker.Change) { c.NewVersion.KeyID = "none" }},
		{"a version numbered 0", broker.Rejected, func(c *broker.Change, _ broker.Change) {
			c.NewVersion.Number = 0
			c.Placements = nil
		}},
		{"a version in no known state", broker.Rejected, func(c *broker.Change, _ broker.Change) { c.NewVersion.State = "asleep" }},
		{"a version retained in no known way", broker.Rejected, func(c *broker.Change, _ broker.Change) { c.NewVersion.Retain = "perhaps" }},
		{"the replacement of a version that is not there", broker.NotFound, func(c *broker.Change, _ broker.Change) {
			v := *c.NewVersion
			v.Number += 1000
			c.Version = &v
		}},
		{"a placement of no version", broker.NotFound, func(c *broker.Change, _ broker.Change) { c.Placements[1].Number += 1000 }},
		{"a placement at no known step", broker.Rejected, func(c *broker.Change, _ broker.Change) { c.Placements[1].Step = "nearly" }},
	}
}

func operationRefusals() []refusal {
	return []refusal{
		{"an operation whose id exists", broker.Conflict, func(c *broker.Change, old broker.Change) { c.NewOperation.ID = old.NewOperation.ID }},
		{"an operation in no known state", broker.Rejected, func(c *broker.Change, _ broker.Change) { c.NewOperation.State = "tired" }},
		{"the replacement of an operation that is not there", broker.NotFound, func(c *broker.Change, _ broker.Change) {
			o := *c.NewOperation
			o.ID = "none"
			c.Operation = &o
		}},
		{"an effect that exists", broker.Conflict, func(c *broker.Change, old broker.Change) { c.Intent.Effect = old.Intent.Effect }},
		{"an effect of no operation", broker.NotFound, func(c *broker.Change, _ broker.Change) { c.Intent.Effect.Operation = "none" }},
		{"an intent that has a result", broker.Misuse, func(c *broker.Change, _ broker.Change) { c.Intent.Result = []byte(`{}`) }},
		{"the result of what was never intended", broker.NotFound, func(c *broker.Change, _ broker.Change) {
			r := *c.Intent
			r.Effect.Step, r.Result = "never", []byte(`{}`)
			c.Result = &r
		}},
		{"a result that says nothing", broker.Misuse, func(c *broker.Change, _ broker.Change) {
			r := *c.Intent
			c.Result = &r
		}},
	}
}

func otherRefusals() []refusal {
	return []refusal{
		{"an entry without an event", broker.Misuse, func(c *broker.Change, _ broker.Change) { c.Entry.Event = "" }},
		{"an entry that cannot be written", broker.Misuse, func(c *broker.Change, _ broker.Change) {
			c.Entry.Details = map[string]any{"f": func() {}}
		}},
		{"an enrolment of no known kind", broker.Rejected, func(c *broker.Change, _ broker.Change) { c.Enrolment.Kind = "cat" }},
		{"wrapped material of no version", broker.NotFound, func(c *broker.Change, _ broker.Change) { c.Retained.Number += 1000 }},
		{"wrapped material under no keeper key", broker.NotFound, func(c *broker.Change, _ broker.Change) { c.Retained.Keeper = "none" }},
		{"wrapped material without any", broker.Rejected, func(c *broker.Change, _ broker.Change) { c.Retained.Wrapped = nil }},
		{"a keeper key in no known state", broker.Rejected, func(c *broker.Change, _ broker.Change) { c.Keepers[1].State = "lost" }},
		{"two keeper keys of one token at once", broker.Conflict, func(c *broker.Change, _ broker.Change) {
			c.Keepers[0].State, c.Keepers[1].State, c.Keepers[1].TokenSerial = broker.KeeperIntended, broker.KeeperCurrent, c.Keepers[0].TokenSerial
		}},
		{"a lease that nobody holds", broker.Conflict, func(c *broker.Change, _ broker.Change) {
			c.Lease = &broker.Lease{Name: "key/x", Holder: "me", Now: noon(), Until: at(1)}
		}},
		{"a seal that is denied", broker.Denied, func(c *broker.Change, _ broker.Change) {
			c.Seal = func(broker.Head) ([]byte, error) { return nil, broker.Denied }
		}},
		{"a seal that fails for no known reason", broker.Unavailable, func(c *broker.Change, _ broker.Change) {
			c.Seal = func(broker.Head) ([]byte, error) { return []byte{1}, errors.New("no answer") }
		}},
	}
}
