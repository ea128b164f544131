package broker_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/keyferry/keyferry/broker"
)

// What doctor says of a spec, purpose and target is what an import under no policy
// comes to: the same mechanism and proof, or a refusal.
func TestTheMatrixIsWhatAnImportSays(t *testing.T) {
	t.Parallel()
	w := clouds(t)
	for i := range w.others {
		soft := w.others[i]
		if soft.Name == "numbered" {
			soft.Name, soft.Provider = "soft", offering{w.provider("numbered"), func(c *broker.Capabilities) { c.SoftwareProtected = true }}
			w.others = append(w.others, soft)
		}
		if soft.Name == "newest" {
			soft.Name, soft.WrappingKey.Attestation = "careful", true
			w.others = append(w.others, soft)
		}
	}
	w.enrol()
	d, err := w.run(nil).Doctor(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	told := map[string]broker.Cell{}
	for _, c := range d.Matrix {
		told[fmt.Sprint(c.Spec, c.Target, c.Purpose)] = c
	}
	if len(told) != len(d.Matrix) {
		t.Errorf("%d of %d cells are there twice", len(d.Matrix)-len(told), len(d.Matrix))
	}
	for _, target := range []string{"cloud", "numbered", "newest", "soft", "careful"} {
		for _, spec := range broker.KeySpecs() {
			w.asPlanned(t, told, spec, target)
		}
	}
}

// asPlanned holds the cells of a spec at a target against a plan for each purpose.
func (w *world) asPlanned(t *testing.T, told map[string]broker.Cell, spec broker.KeySpec, target string) {
	t.Helper()
	for i, purpose := range spec.Purposes() {
		word := purpose
		if i == 0 {
			word = ""
		}
		cell := told[fmt.Sprint(spec, target, word)]
		req := broker.ImportRequest{Name: "k", Spec: spec, Purpose: purpose, Targets: []string{target}}
		plan, err := w.run(nil).PlanImport(t.Context(), req)
		switch {
		case (err == nil) != (cell.Mechanism != ""):
			t.Errorf("%s for %s at %s: doctor says %+v, the plan %v", spec, purpose, target, cell, err)
		case err == nil && (cell.Mechanism != plan.Targets[0].Mechanism || cell.Proof != plan.Targets[0].Proof || cell.Way != plan.Targets[0].Way):
			t.Errorf("%s for %s at %s: doctor says %+v, the plan %+v", spec, purpose, target, cell, plan.Targets[0])
		case cell.Spec != "" && cell.Mechanism == "" && cell.Reason == "":
			t.Errorf("%s for %s at %s: no reason", spec, purpose, target)
		}
	}
	why := map[string]string{"soft": "kept in software", "careful": "attestation"}[target]
	if got := told[fmt.Sprint(spec, target, "")].Reason; spec == broker.ECP256 && !strings.Contains(got, why) {
		t.Errorf("%s at %s: %q", spec, target, got)
	}
	if !slices.Contains([]string{"soft", "careful"}, target) && told[fmt.Sprint(broker.ECP256, target, "")].Mechanism == "" {
		t.Errorf("nothing goes to %s", target)
	}
}
