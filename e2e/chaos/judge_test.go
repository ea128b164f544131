package chaos_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/keyferry/keyferry/e2e/internal/e2etest"
	"github.com/keyferry/keyferry/hsm/softtoken"
	"github.com/keyferry/keyferry/localstack/faults"
)

// findings are what the end-check of a world came to.
type findings struct {
	keys, orphans, twins, late, undecided int                 // late: keys and versions
	lates                                 map[string][]string // late calls by target and name
	undone                                []string            // keys that a late call took from consumers again
	halves                                int                 // objects that the module itself left half written
	keks                                  int                 // made by a call whose answer was lost: another was made, these wrap nothing
	wrong                                 []string            // each is a failure
}

func (f *findings) say(format string, args ...any) {
	f.wrong = append(f.wrong, fmt.Sprintf(format, args...))
}

// judge holds what the emulators unwrapped and what the token keeps against the test's
// own list of rows, never against the store: each row is one version at each of its
// targets, of one material that is no other row's, given to consumers; and there is
// nothing else. late are the calls that committed after their target had settled: what
// came of them is counted apart, and must be nowhere in use.
func (w *world) judge(t *testing.T, late ...faults.CallState) findings {
	t.Helper()
	f := findings{keys: len(w.rows), lates: map[string][]string{}}
	for _, c := range late {
		at := targetOf(c.Region) + " " + c.Key
		f.lates[at] = append(f.lates[at], c.Action)
	}
	held := w.held(t, &f)
	owners := map[string]string{} // of material, the row
	for _, r := range w.rows {
		f.row(r, held, owners)
	}
	for at, keys := range held {
		f.say("nobody asked for %s: %s", at, e2etest.Show(keys))
	}
	w.judgeToken(t, &f)
	w.judgeRecord(t, &f)
	return f
}

// held are all keys at all targets but KEKs, by target and name; orphans and twins that
// no late commit explains are counted.
func (w *world) held(t *testing.T, f *findings) map[string][]faults.KeyReport {
	t.Helper()
	held := map[string][]faults.KeyReport{}
	for cloud, admin := range w.Admins() {
		report, err := admin.Report(t.Context())
		fatal(t, err)
		for _, k := range report.Keys {
			at := targetOf(k.Region) + " " + k.Name
			if k.Origin != "provider" && !k.Pending {
				held[at] = append(held[at], k)
			}
			if k.Orphan && len(f.lates[at]) == 0 {
				f.orphans++
			}
		}
		for _, twin := range report.Twins {
			if !e2etest.AcrossVaults(twin) && !f.explained(cloud, twin) {
				f.twins++
			}
		}
	}
	return held
}

// explained: all its keys are of one name, of which a commit came late there.
func (f *findings) explained(cloud string, twin faults.Twin) bool {
	n := 0
	for _, target := range e2etest.Targets() {
		if e2etest.CloudOf(target) == cloud {
			n += len(f.lates[target+" "+twin.Names[0]])
		}
	}
	return len(twin.Names) == 1 && n > 0
}

// row is one version at each of its targets, of one material, which is its own.
func (f *findings) row(r row, held map[string][]faults.KeyReport, owners map[string]string) {
	materials := map[string]bool{}
	for _, target := range r.targets {
		at := target + " " + r.name
		if v, ok := f.one(r, target, held[at]); ok {
			materials[e2etest.Identity(v)] = true
		}
		delete(held, at)
	}
	for m := range materials {
		if owner, taken := owners[m]; taken {
			f.say("%s and %s are of one material %.12s…", owner, r.name, m)
		}
		owners[m] = r.name
	}
	if len(materials) > 1 {
		f.say("%s is not the same everywhere: %v", r.name, slices.Sorted(maps.Keys(materials)))
	}
}

// one is the version of a row at a target: the first of its key, which consumers get.
func (f *findings) one(r row, target string, keys []faults.KeyReport) (v faults.VersionReport, ok bool) {
	at := target + " " + r.name
	if len(keys) > 1 {
		keys = f.withoutLate(at, keys)
	}
	if len(keys) != 1 {
		f.say("%s is %d keys: %s", at, len(keys), e2etest.Show(keys))
		return v, false
	}
	k := keys[0]
	k.Versions = f.notLate(at, k.Versions)
	if len(k.Versions) != 1 || !k.Versions[0].Present {
		f.say("%s is not one version: %s", at, e2etest.Show(k))
		return v, false
	}
	if !given(r, target, k) {
		if !slices.Contains(f.lates[at], "UpdateKey") {
			f.say("%s is not what consumers get: %s", at, e2etest.Show(k))
		}
		f.undone = append(f.undone, r.name)
	}
	return k.Versions[0], true
}

// given: consumers have the version.
func given(r row, target string, k faults.KeyReport) bool {
	if target == "aws" {
		return strings.EqualFold(k.State, "enabled") && slices.Equal(k.Aliases, []string{"alias/" + r.name})
	}
	return strings.EqualFold(k.Versions[0].State, "enabled")
}

// withoutLate leaves out as many keys as were made late, if nobody uses them.
func (f *findings) withoutLate(at string, keys []faults.KeyReport) (rest []faults.KeyReport) {
	late := f.count(at, "CreateKey", "CreateCryptoKey")
	for _, k := range keys {
		if late > 0 && len(k.Aliases) == 0 && len(k.Versions) == 0 {
			late--
			f.late++
		} else {
			rest = append(rest, k)
		}
	}
	return rest
}

// notLate leaves out as many versions as were imported late: they came after the one that
// is used. At Azure the newest is what consumers get, whoever made it: it must be of the
// same material.
func (f *findings) notLate(at string, versions []faults.VersionReport) []faults.VersionReport {
	for late := f.count(at, "ImportKey", "ImportCryptoKeyVersion"); late > 0 && len(versions) > 1; late-- {
		last := versions[len(versions)-1]
		if e2etest.Identity(last) != e2etest.Identity(versions[0]) {
			f.say("%s has a late version of other material: %s", at, e2etest.Show(versions))
		}
		versions = versions[:len(versions)-1]
		f.late++
	}
	return versions
}

// count of the late calls of these actions.
func (f *findings) count(at string, actions ...string) (n int) {
	for _, action := range f.lates[at] {
		if slices.Contains(actions, action) {
			n++
		}
	}
	return n
}

// targetOf is the target that a region's key, or a call there, is at.
func targetOf(region string) string {
	switch region {
	case "premium":
		return "vault"
	case "pool":
		return "pool"
	case "eu-central-1":
		return "aws"
	default:
		return "gcp"
	}
}

// judgeToken: the token keeps what the rows say, the seal key, and the one record.
func (w *world) judgeToken(t *testing.T, f *findings) {
	t.Helper()
	there := w.Objects(t)
	for _, r := range w.rows {
		label, want := r.name+" v1", []string{"Secret Key"}
		if r.pair() {
			want = []string{"Private Key", "Public Key"}
		}
		if r.retain != "token" && r.retain != "sealed" {
			want = nil
		}
		if got := slices.Sorted(slices.Values(there[label])); !slices.Equal(got, want) {
			f.say("of %s (retain: %s) the token keeps %q, not %q", r.name, r.retain, got, want)
		}
		delete(there, label)
	}
	delete(there, "audit head")
	for label := range there {
		if strings.HasPrefix(label, "keyferry ") && len(there[label]) == 1 {
			delete(there, label) // its own key, of which there is one
		}
	}
	w.judgeHalves(there, f)
	if len(there) > 0 {
		f.say("the token keeps besides: %v", there)
	}
}

// judgeHalves counts the objects without a name: SoftHSM writes an object in place, and
// killed on the way it leaves what nobody can use, or find again.
func (w *world) judgeHalves(there map[string][]string, f *findings) {
	if w.kind != softtoken.SoftHSM {
		return
	}
	for _, nameless := range []string{"", "<empty>"} { // as OpenSC's tool has it
		f.halves += len(there[nameless])
		delete(there, nameless)
	}
}

// judgeRecord: the audit is whole, nothing is left half done, and the program's own
// view has no orphan that is not there.
func (w *world) judgeRecord(t *testing.T, f *findings) {
	t.Helper()
	if out := w.Run(t, "audit", "verify"); out.Code != 0 {
		f.say("the audit is not whole: %s", out)
	}
	var open []struct{ ID, State, Problem string }
	out := w.Run(t, "operation", "list", "--unfinished", "--output", "json")
	if err := json.Unmarshal([]byte(out.Stdout), &open); err != nil || out.Code != 0 {
		f.say("list what is unfinished: %v: %s", err, out)
	}
	for _, o := range open {
		if o.State == "undecided" {
			f.undecided++
		}
		f.say("operation %s is %s: %s", o.ID, o.State, o.Problem)
	}
	w.judgeOrphans(t, f)
	for _, name := range f.undone {
		if out := w.Run(t, "verify", name); out.Code == 0 {
			f.say("%s is taken from consumers, and nobody is told: %s", name, out)
		}
	}
}

// judgeOrphans: the program lists what came late and no more, but for KEKs whose answer
// was lost with a killed process; under those nothing was ever imported.
func (w *world) judgeOrphans(t *testing.T, f *findings) {
	t.Helper()
	report, err := w.Azure.Admin().Report(t.Context())
	fatal(t, err)
	used := map[string]bool{}
	for _, k := range report.Keys {
		for version := range k.Unwrapped {
			used[version] = true
		}
	}
	var orphans []struct {
		Version     string
		WrappingKey string `json:"wrapping_key"`
	}
	out := w.Run(t, "inventory", "--orphans", "--output", "json")
	if err := json.Unmarshal([]byte(out.Stdout), &orphans); err != nil || out.Code != 0 {
		f.say("list orphans: %v: %s", err, out)
	}
	listed := 0
	for _, o := range orphans {
		switch {
		case o.WrappingKey == "":
			listed++
		case used[o.Version]:
			f.say("under KEK %s, which is on no record, something was imported", o.WrappingKey)
		default:
			f.keks++
		}
	}
	if listed != f.late {
		f.say("inventory lists %d orphans where %d came late: %s", listed, f.late, out.Stdout)
	}
}

// fails reports what is wrong, and what is not explained.
func (f findings) fails(t *testing.T) {
	t.Helper()
	for _, wrong := range f.wrong {
		t.Error(wrong)
	}
	if f.orphans != 0 || f.twins != 0 {
		t.Errorf("%d orphans and %d twins", f.orphans, f.twins)
	}
}
