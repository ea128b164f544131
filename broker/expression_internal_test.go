package broker

import "testing"

func TestWholly(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		expr, text string
		want       bool
	}{
		{`a|b`, "a", true},
		{`a|b`, "ab", false},
		{`a+`, "caa", false},
		{``, "", true},
		{``, "a", false},
		{`(`, "(", false},
		{`(`, "", false},
		{`(?s).`, "\n", true},
		{`^a$`, "a", true},
	} {
		for range 2 { // compiled, and remembered
			if got := wholly(c.expr, c.text); got != c.want {
				t.Errorf("%q matches the whole of %q: %v", c.expr, c.text, got)
			}
		}
	}
}

// A tag costs its match, and no more: compiled anew, AWS's rule makes thousands of objects.
func TestTagsAreHeldAgainstWhatWasCompiled(t *testing.T) {
	rule := TagRule{Name: `[\p{L}\p{Z}\p{N}_.:/=+\-@]{1,128}`, Value: `[\p{L}\p{Z}\p{N}_.:/=+\-@]{0,256}`}
	name := NameRule{Pattern: `alias/[a-zA-Z0-9/_-]{1,250}`, Max: 256}
	tags := map[string]string{"cost-centre": "4711"}
	if made := testing.AllocsPerRun(10, func() { _, _ = rule.Refuses(tags), name.Allows("alias/a") }); made > 20 {
		t.Errorf("%v objects for one name and one tag", made)
	}
}
