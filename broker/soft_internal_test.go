package broker

import "testing"

// What no cloud can be asked for again is on the disk before anything goes on: an import's
// result, and what was done to take one back.
func TestOnlyWhatIsFoundAnewIsSoft(t *testing.T) {
	t.Parallel()
	for step, soft := range map[Step]bool{
		StepPrepare: true, StepReimport: true, StepWithhold: true, StepEnable: true, StepActivate: true,
		StepFetch: false, StepImport: false, StepRenew: false, StepControl: false, StepAbandon: false,
	} {
		if step.foundAnew() != soft {
			t.Errorf("%s: soft is %v", step, step.foundAnew())
		}
	}
}
