package main

import (
	"fmt"
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
	TokenSerial string            `json:"token_serial" table:"-"`
	CreatedAt   time.Time         `json:"created_at"`
	ActivatedAt time.Time         `json:"activated_at,omitzero"`
}

func versionRows(k broker.KeyView) []versionRow {
	var rows []versionRow
	for _, v := range k.Versions {
		rows = append(rows, versionRow{
			Key: k.Key.Name, Version: v.Number, State: v.State, Retain: v.Retain, Provenance: v.Provenance,
			Material: v.Material.ID, TokenSerial: v.Material.TokenSerial, CreatedAt: v.CreatedAt, ActivatedAt: v.ActivatedAt,
		})
	}
	return rows
}

// placementRow is one version at one target: a row of the inventory.
type placementRow struct {
	Key         string               `json:"key"`
	Version     int                  `json:"version"`
	Spec        broker.KeySpec       `json:"spec"`
	Owner       string               `json:"owner" table:"-"`
	Environment string               `json:"environment" table:"-"`
	Tags        map[string]string    `json:"tags" table:"-"`
	State       broker.State         `json:"state"`
	Target      string               `json:"target"`
	Step        broker.PlacementStep `json:"step"`
	Remote      broker.RemoteState   `json:"remote"` // as last seen
	SeenAt      time.Time            `json:"seen_at,omitzero"`
	Proof       broker.ProofLevel    `json:"proof"`
	ProvenAt    time.Time            `json:"proven_at,omitzero" table:"-"`
	ProofDetail string               `json:"proof_detail" table:"-"`
	ValidTo     time.Time            `json:"valid_to,omitzero"`
	Consumer    string               `json:"consumer"`
	KeyRef      string               `json:"key_ref" table:"-"`
	VersionRef  string               `json:"version_ref" table:"-"`
	Mechanism   broker.Mechanism     `json:"mechanism" table:"-"`
	Way         broker.Way           `json:"way" table:"-"`
	Strength    int                  `json:"transport_strength" table:"-"` // bits
	SHA1        bool                 `json:"sha1" table:"-"`               // in OAEP: a compliance date
	ImportedAt  time.Time            `json:"imported_at,omitzero" table:"-"`
	ActivateAt  time.Time            `json:"activate_at,omitzero" table:"-"` // as planned; until then consumers do not get it
	Difference  string               `json:"difference"`                     // between what is expected and what was seen
}

func placementRows(k broker.KeyView, now time.Time) []placementRow {
	var rows []placementRow
	for _, p := range k.Placements {
		v, _ := k.Version(p.Number)
		rows = append(rows, placementRow{
			Key: k.Key.Name, Version: p.Number, Spec: k.Key.Spec, Owner: k.Key.Owner, Environment: k.Key.Environment, Tags: k.Key.Tags,
			State: v.State, Target: p.Target, Step: p.Step, Remote: p.Remote, SeenAt: p.SeenAt,
			Proof: p.Proof.Level, ProvenAt: p.Proof.At, ProofDetail: p.Proof.Detail, ValidTo: p.ValidTo, Consumer: p.Consumer,
			KeyRef: p.Version.Key.ID, VersionRef: p.Version.ID, Mechanism: p.Transport.Mechanism, Way: p.Transport.Way,
			Strength: p.Transport.Strength, SHA1: p.Transport.Mechanism.SHA1(), ImportedAt: p.ImportedAt,
			Difference: difference(p, now),
		})
	}
	return rows
}

// planned says when a version that consumers do not get yet is to be activated,
// and that it is due.
func (r placementRow) planned(at, now time.Time) placementRow {
	if r.State != broker.PreActivation || at.IsZero() {
		return r
	}
	r.ActivateAt = at
	if !at.After(now) && r.Difference == "" {
		r.Difference = "due: keyferry activate " + r.Key
	}
	return r
}

// difference between what a placement should be and what was seen of it.
func difference(p broker.Placement, now time.Time) string {
	imported := p.Step == broker.PlacementStaged || p.Step == broker.PlacementProven || p.Step == broker.PlacementActive
	switch {
	case p.Proof.Failed:
		return "proof failed"
	case imported && !p.ValidTo.IsZero() && !p.ValidTo.After(now):
		return "expired"
	case imported && p.Remote != "" && p.Remote != broker.RemoteEnabled:
		return fmt.Sprintf("%s, not %s", p.Remote, broker.RemoteEnabled)
	default:
		return ""
	}
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
