package main

import (
	"time"

	"github.com/keyferry/keyferry/broker"
)

// The rows of tables and CSV, and the elements of lists in JSON. Their JSON names
// never change; testdata/fields.golden holds them.

// keyRow is a key in a list.
type keyRow struct {
	Name        string            `json:"name"`
	ID          string            `json:"id" table:"-"`
	Spec        broker.KeySpec    `json:"spec"`
	Purpose     broker.Purpose    `json:"purpose"`
	Policy      string            `json:"policy"`
	Environment string            `json:"environment"`
	Owner       string            `json:"owner"`
	Versions    int               `json:"versions"`
	State       broker.State      `json:"state"` // of the newest version
	Targets     []string          `json:"targets"`
	Tags        map[string]string `json:"tags" table:"-"`
	CreatedAt   time.Time         `json:"created_at"`
}

func keyRowOf(k broker.KeyView) keyRow {
	r := keyRow{
		Name: k.Key.Name, ID: k.Key.ID, Spec: k.Key.Spec, Purpose: k.Key.Purpose, Policy: k.Key.Policy,
		Environment: k.Key.Environment, Owner: k.Key.Owner, Versions: len(k.Versions), Tags: k.Key.Tags,
		CreatedAt: k.Key.CreatedAt, Targets: []string{},
	}
	for _, v := range k.Versions {
		r.State = v.State
	}
	seen := map[string]bool{}
	for _, p := range k.Placements {
		if !seen[p.Target] {
			r.Targets = append(r.Targets, p.Target)
		}
		seen[p.Target] = true
	}
	return r
}

// versionRow is a key version in a list.
type versionRow struct {
	Key         string            `json:"key"`
	Version     int               `json:"version"`
	State       broker.State      `json:"state"`
	Retain      broker.Retain     `json:"retain"`
	Provenance  string            `json:"provenance"`
	Material    broker.MaterialID `json:"material"`
	CheckValue  string            `json:"check_value" table:"filled"` // of a pair: SHA-256 over its public key; no secret has one
	TokenSerial string            `json:"token_serial" table:"-"`
	CreatedAt   time.Time         `json:"created_at"`
	ActivatedAt time.Time         `json:"activated_at,omitzero"`
}

func versionRows(k broker.KeyView) []versionRow {
	var rows []versionRow
	for _, v := range k.Versions {
		rows = append(rows, versionRow{
			Key: k.Key.Name, Version: v.Number, State: v.State, Retain: v.Retain, Provenance: v.Provenance,
			Material: v.Material.ID, CheckValue: v.Material.CheckValue(), TokenSerial: v.Material.TokenSerial, CreatedAt: v.CreatedAt, ActivatedAt: v.ActivatedAt,
		})
	}
	return rows
}

// operationRow is an operation in a list.
type operationRow struct {
	ID        string                `json:"id"`
	Kind      broker.OperationKind  `json:"kind"`
	State     broker.OperationState `json:"state"`
	Key       string                `json:"key"`
	Version   int                   `json:"version"`
	Targets   []string              `json:"targets"`
	User      string                `json:"user"`
	Host      string                `json:"host" table:"-"`
	Reason    string                `json:"reason" table:"-"`
	Ticket    string                `json:"ticket" table:"-"`
	StartedAt time.Time             `json:"started_at"`
	EndedAt   time.Time             `json:"ended_at,omitzero" table:"-"`
	Problem   string                `json:"problem"`
}

func operationRowOf(o broker.Operation) operationRow {
	return operationRow{
		ID: o.ID, Kind: o.Kind, State: o.State, Key: o.KeyName, Version: o.Number, Targets: o.Targets, User: o.Actor.User,
		Host: o.Actor.Host, Reason: o.Reason, Ticket: o.Ticket, StartedAt: o.StartedAt, EndedAt: o.EndedAt, Problem: o.Problem,
	}
}

// effectRow is an effect of an operation.
type effectRow struct {
	Effect string      `json:"effect"`
	Target string      `json:"target"`
	Step   broker.Step `json:"step"`
	At     time.Time   `json:"at"`
	Done   time.Time   `json:"done"`
}

func effectRows(o broker.OperationView) []effectRow {
	var rows []effectRow
	for _, e := range o.Effects {
		rows = append(rows, effectRow{Effect: e.Effect.ID(), Target: e.Effect.Target, Step: e.Effect.Step, At: e.At, Done: e.DoneAt})
	}
	return rows
}

// entryRow is an audit entry in a table.
type entryRow struct {
	Seq       int64          `json:"seq"`
	At        time.Time      `json:"at"`
	Event     string         `json:"event"`
	Key       string         `json:"key"`
	Version   int            `json:"version,omitzero"`
	Target    string         `json:"target"`
	User      string         `json:"user"`
	Host      string         `json:"host" table:"-"`
	Principal string         `json:"principal" table:"-"`
	Operation string         `json:"operation"`
	Reason    string         `json:"reason"`
	Ticket    string         `json:"ticket" table:"-"`
	Details   map[string]any `json:"details" table:"-"`
	Hash      string         `json:"hash" table:"-"`
}

func entryRowOf(e broker.Entry) entryRow {
	return entryRow{
		Seq: e.Seq, At: e.At, Event: e.Event, Key: e.Key, Version: e.Number, Target: e.Target, User: e.Actor.User, Host: e.Actor.Host,
		Principal: e.Principal, Operation: e.Operation, Reason: e.Reason, Ticket: e.Ticket, Details: e.Details, Hash: e.Hash,
	}
}

// fact is a line about one thing.
type fact struct {
	Field string `json:"field"`
	Value string `json:"value"`
}

// facts of a flat struct, without what is empty.
func facts(value any) []fact {
	t := sheetOf(value)
	var out []fact
	for i, name := range t.names {
		if v := t.rows[0][i]; v != "" && v != "null" && v != "{}" && v != "[]" {
			out = append(out, fact{Field: name, Value: v})
		}
	}
	return out
}
