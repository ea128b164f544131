package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/keyferry/keyferry/broker"
	hsm "github.com/keyferry/keyferry/hsm/memory"
	cloud "github.com/keyferry/keyferry/providers/memory"
)

// dilemma is one way in which an operation becomes undecided.
type dilemma struct {
	arises func(w *world) []string // the import that stops so, with what happens meanwhile
	seen   []string                // what operation show has of it
	act    func(w *world)          // what a person does first
	always bool                    // also before an abort
	alone  bool                    // nothing but an abort ends it
}

// dilemmas has a row for each place that makes an operation undecided, but one:
// wrapped material without its record is refused as tampered with before
// (TestMaterialWithoutARecordIsForAPerson).
func dilemmas() map[string]dilemma {
	all := map[string]dilemma{}
	for _, some := range []map[string]dilemma{beforeImport(), lostImports(), inTheToken(), afterImport()} {
		maps.Copy(all, some)
	}
	return all
}

func beforeImport() map[string]dilemma {
	return map[string]dilemma{
		"two keys carry one mark": {
			arises: func(w *world) []string {
				w.onceAt("prepare", true, broker.Unclear, func() {
					w.plants("aws-test", cloud.Plant{Effect: w.effectOf(broker.StepPrepare), Policy: true, In: w.preparedAs()})
				})
				return args("import aws k --policy aws-keys")
			},
			seen: []string{"key/1", "key/2", "it is just as it was asked for", "pending-import", "keyferry orphan remove ID --target aws-test"},
			act: func(w *world) {
				w.must("orphan", "remove", "memory:"+account+":key/2", "--target", "aws-test", "--reason", "not ours")
			},
			always: true,
		},
		"a key that is somebody else's by now": {
			arises: func(w *world) []string {
				w.onceAt("import", false, broker.Expired, func() {
					w.plants("azure-test", cloud.Plant{In: azureKey("theirs"), Material: pair(w.t)})
				})
				return args("import azure k --spec ec-p384 --target azure-test")
			},
			seen: []string{"key/k", `it is marked as the key with id "theirs"`, "enabled"},
			act:  func(w *world) { w.deletes("azure-test", "k") },
		},
	}
}

func lostImports() map[string]dilemma {
	return map[string]dilemma{
		"a lost import that leaves no trace": {
			arises: func(w *world) []string {
				w.onceAt("import", true, broker.Unclear, func() {})
				return args("import aws k --spec hmac-256 --target aws-test")
			},
			seen: []string{"key/1", "an import into it was sent", "enabled"}, alone: true,
		},
		"a version with our mark and other material": {
			arises: func(w *world) []string {
				w.onceAt("import", false, broker.Unclear, func() {
					w.plants("azure-test", cloud.Plant{Effect: w.effectOf(broker.StepImport), In: azureKey(w.keyID()), Material: pair(w.t)})
				})
				return args("import azure k --spec ec-p384 --target azure-test")
			},
			seen: []string{"key/k", "it carries this import's mark and holds other material", "enabled"},
			act:  func(w *world) { w.deletes("azure-test", "k") },
		},
		"a new version that nothing can be compared with": {
			arises: func(w *world) []string {
				w.onceAt("import", true, broker.Unclear, func() {})
				return args("import gcp k --policy gcp-keys")
			},
			seen: []string{"key/k 1", "it is new there, and nothing shows what it holds", "enabled", "keyferry target enrol gcp-test"},
			act:  func(w *world) { w.does("gcp-test", "memory:my-project:key/k", "1", broker.Schedule) },
		},
	}
}

func inTheToken() map[string]dilemma {
	return map[string]dilemma{
		"material that is gone from the token": {
			arises: func(w *world) []string {
				w.interrupted("wrapping-key", args("import aws k --policy aws-keys"))
				w.token.Lose(broker.NewMaterialID(w.keyID(), 1), "secret")
				return args("import aws k --policy aws-keys")
			},
			seen: []string{"no object of it is in the token"},
			act: func(w *world) {
				w.ok(w.token.Plant(hsm.Planted{ID: broker.NewMaterialID(w.keyID(), 1), Spec: broker.AES256}))
			},
		},
		"two objects of one id in the token": {
			arises: func(w *world) []string {
				w.interrupted("wrapping-key", args("import aws k --policy aws-keys"))
				w.token.Twin(broker.NewMaterialID(w.keyID(), 1))
				return args("import aws k --policy aws-keys")
			},
			seen: []string{"an object of it, secret"},
			act: func(w *world) {
				id := broker.NewMaterialID(w.keyID(), 1)
				w.token.Lose(id, "secret")
				w.ok(w.token.Plant(hsm.Planted{ID: id, Spec: broker.AES256}))
			},
		},
		"a public key that is not the one on record": {
			arises: func(w *world) []string {
				w.interrupted("prove", args("import aws k --spec ec-p384 --target aws-test"))
				w.tokenAs = func(t broker.Token) broker.Token { return exchanged{t.(*hsm.Token)} }
				return args("import aws k --spec ec-p384 --target aws-test")
			},
			seen: []string{"the SHA-256 of its public key is", "on record is"},
			act:  func(w *world) { w.tokenAs = nil },
		},
	}
}

func afterImport() map[string]dilemma {
	return map[string]dilemma{
		"a name that leads elsewhere": {
			arises: func(w *world) []string {
				w.onceAt("activate", false, nil, func() {
					w.plants("aws-test", cloud.Plant{In: broker.PrepareIn{Name: "thief", Spec: broker.AES256, Purpose: broker.Encrypt}, Consumer: "alias/k"})
				})
				return args("import aws k --policy aws-keys")
			},
			seen: []string{"alias/k", `leads to "memory:` + account + `:key/2" now`},
			act: func(w *world) {
				_, err := w.clouds["aws-test"].Do(w.t.Context(), broker.Effect{}, broker.VersionRef{Key: broker.KeyRef{ID: "memory:" + account + ":key/2"}},
					broker.Action{Kind: broker.Deactivate, Consumer: "alias/k"})
				w.ok(err)
			},
		},
		"a version that is neither enabled nor disabled": {
			arises: func(w *world) []string {
				w.interrupted("disable", args("import gcp k --spec ec-p384 --target gcp-test"))
				w.does("gcp-test", "memory:my-project:key/k", "1", broker.Schedule)
				return args("import gcp k --spec ec-p384 --target gcp-test")
			},
			seen: []string{"key/k 1", "it is pending-deletion"},
			act:  func(w *world) { w.does("gcp-test", "memory:my-project:key/k", "1", broker.Cancel) },
		},
	}
}

// What an undecided operation saw is shown with the commands that end it; nothing else
// does, not even going on with it.
func TestEachDilemmaIsShownAndEnded(t *testing.T) {
	t.Parallel()
	for name, d := range dilemmas() {
		for _, way := range []string{"resume", "abort"} {
			t.Run(name+"/"+way, func(t *testing.T) {
				t.Parallel()
				w := dilemmaWorld(t)
				again, before := w.stands(d)
				commands := w.showsDilemma(d)
				w.staysAsItIs(before, again, commands[0])
				if d.alone && way == "resume" {
					return
				}
				if d.act != nil && (way == "resume" || d.always) {
					d.act(w)
				}
				i := slices.IndexFunc(commands, func(c string) bool { return strings.HasPrefix(c, "keyferry operation "+way+" ") })
				if i < 0 {
					t.Fatalf("none to %s: %q", way, commands)
				}
				w.must(split(t, strings.Replace(commands[i], "…", "'a person looked'", 1))[1:]...)
				if state := w.operation().Operation.State; state.Open() {
					t.Errorf("afterwards it is %s", state)
				}
				w.must("audit", "verify")
			})
		}
	}
}

// dilemmaWorld has a target at which one kind of key cannot be imported twice, so that
// an answer that was lost leaves nothing to go by.
func dilemmaWorld(t *testing.T) *world {
	t.Helper()
	w := cloudsWorld(t)
	caps := settled(cloud.Default())
	spec := caps.Specs[broker.HMAC256]
	spec.ImportRepeats = false
	caps.Specs[broker.HMAC256] = spec
	w.target = w.cloud(account, caps)
	w.clouds["aws-test"] = w.target
	return w
}

// stands brings the dilemma about by a command, and is what the clouds hold then.
func (w *world) stands(d dilemma) ([]string, map[string]cloud.Report) {
	w.t.Helper()
	command := d.arises(w)
	s := w.run(command...)
	w.fault = nil
	if s.code == exitDone || !strings.Contains(s.stderr, "seen: ") || !strings.Contains(s.stderr, "keyferry operation abort ") {
		w.t.Fatalf("it is not undecided, or nothing is shown: %s", s)
	}
	return command, w.reports()
}

func (w *world) reports() map[string]cloud.Report {
	out := map[string]cloud.Report{}
	for name, c := range w.clouds {
		out[name] = c.Report()
	}
	return out
}

// showsDilemma holds what operation show says against the row, and is the commands.
func (w *world) showsDilemma(d dilemma) []string {
	w.t.Helper()
	shown := w.operation()
	if shown.Operation.State != broker.UndecidedState || shown.Dilemma == nil || len(shown.Dilemma.Seen) == 0 {
		w.t.Fatalf("it shows %+v", shown)
	}
	table := w.must("operation", "show", shown.Operation.ID).out
	for _, want := range append(d.seen, shown.Dilemma.Do...) {
		if !strings.Contains(table, want) {
			w.t.Errorf("it shows\n%swant in it: %s", table, want)
		}
	}
	if d.act != nil != (shown.Dilemma.First != "") || d.alone != (len(shown.Dilemma.Do) == 1) {
		w.t.Errorf("what a person does: %+v", shown.Dilemma)
	}
	return shown.Dilemma.Do
}

// staysAsItIs: going on, and beginning it again, without a person's act.
func (w *world) staysAsItIs(before map[string]cloud.Report, again []string, command string) {
	w.t.Helper()
	lines := [][]string{again, {"operation", "resume", "--failed"}}
	if strings.HasPrefix(command, "keyferry operation resume ") {
		lines = append(lines, args(command)[1:])
	}
	for _, line := range lines {
		w.run(line...)
		if state := w.operation().Operation.State; state != broker.UndecidedState {
			w.t.Errorf("%s makes it %s", line, state)
		}
		if diff := cmp.Diff(before, w.reports()); diff != "" {
			w.t.Errorf("%s changed the clouds:\n%s", line, diff)
		}
	}
}

// operation is the one there is.
func (w *world) operation() operationShown {
	w.t.Helper()
	return asks[operationShown](w, "operation", "show", asks[[]operationRow](w, "operation", "list")[0].ID)
}

func (w *world) keyID() string { w.t.Helper(); return w.operation().Operation.KeyID }

// effectOf the operation that is running.
func (w *world) effectOf(step broker.Step) string {
	w.t.Helper()
	return w.recordOf(step).Effect.ID()
}

func (w *world) recordOf(step broker.Step) broker.EffectRecord {
	w.t.Helper()
	for _, r := range w.operation().Effects {
		if r.Effect.Step == step {
			return r
		}
	}
	w.t.Fatalf("no %s was intended", step)
	return broker.EffectRecord{}
}

func (w *world) preparedAs() (in broker.PrepareIn) {
	w.t.Helper()
	w.ok(json.Unmarshal(w.recordOf(broker.StepPrepare).Intent, &in))
	return in
}

// onceAt does something at the first of a call, before or after its effect, and answers
// it with err.
func (w *world) onceAt(call string, after bool, err error, do func()) {
	w.fault = func(name string, committed bool) error {
		if name != call || committed != after {
			return nil
		}
		w.fault = nil
		do()
		return err
	}
}

// interrupted lets an import fail before a call.
func (w *world) interrupted(call string, line []string) {
	w.t.Helper()
	w.onceAt(call, false, broker.Denied, func() {})
	w.refuses(exitPartly, line)
	w.fault = nil
}

func (w *world) plants(target string, p cloud.Plant) {
	w.t.Helper()
	_, err := w.clouds[target].Plant(p)
	w.ok(err)
}

// does is what somebody does at a target with the target's own tools.
func (w *world) does(target, key, version string, kind broker.ActionKind) {
	w.t.Helper()
	_, err := w.clouds[target].Do(w.t.Context(), broker.Effect{}, broker.VersionRef{Key: broker.KeyRef{ID: key}, ID: version}, broker.Action{Kind: kind})
	w.ok(err)
}

// deletes a key for good.
func (w *world) deletes(target, name string) {
	w.t.Helper()
	w.does(target, "memory:11111111-2222-3333-4444-555555555555:key/"+name, "", broker.Schedule)
	w.later(91 * 24 * time.Hour)
}

func (w *world) ok(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func azureKey(id string) broker.PrepareIn {
	return broker.PrepareIn{Name: "k", KeyID: id, RemoteName: "k", Number: 1, Spec: broker.ECP384, Purpose: broker.Sign}
}

// pair is PKCS#8 of a pair that nobody knows.
func pair(t *testing.T) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	text, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// exchanged is a token whose pairs are others than they were.
type exchanged struct{ *hsm.Token }

func (e exchanged) Answer(ctx context.Context, m broker.Material, c broker.Challenge) (broker.Answer, error) {
	a, err := e.Token.Answer(ctx, m, c)
	if len(a.PublicKey) > 0 {
		a.PublicKey = slices.Concat(a.PublicKey[:len(a.PublicKey)-1], []byte{a.PublicKey[len(a.PublicKey)-1] ^ 1})
	}
	return a, err
}

// An abort that would take somebody else's version too shows whose they are, changes
// nothing, and is done by the same command once a person has seen to it.
func TestAnAbortThatWouldTakeTheirVersionToo(t *testing.T) {
	t.Parallel()
	w := cloudsWorld(t)
	w.interrupted("prove", args("import azure k --spec ec-p384 --target azure-test"))
	w.plants("azure-test", cloud.Plant{In: azureKey("theirs"), Material: pair(t)})
	before := w.reports()
	abort := []string{"operation", "abort", w.operation().Operation.ID, "--reason", "unwanted"}
	w.refuses(exitPartly, abort, "1 of its 2 versions are not ours", "seen:    azure-test memory:", ": it is not ours", ": it is ours", "find out whose they are")
	if diff := cmp.Diff(before, w.reports()); diff != "" {
		t.Error(diff)
	}
	w.deletes("azure-test", "k")
	w.must(abort...)
}
