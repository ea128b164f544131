package e2e_test

import "testing"

// stopped is what is refused only once the material is in the token: nothing of it is
// at any cloud yet, and the very same command goes on.
func stopped(w wrong) wrong {
	spoils, heals, held := w.spoils, w.heals, ""
	w.code, w.changed, w.same = 3, "material ", true
	w.spoils = func(t *testing.T, c *clouds) {
		t.Helper()
		if spoils != nil {
			spoils(t, c)
		}
		held = c.holdings(t)
	}
	w.heals = func(t *testing.T, c *clouds) {
		t.Helper()
		if now := c.holdings(t); now != held {
			t.Errorf("nothing was to arrive; before %s\nnow %s", held, now)
		}
		if heals != nil {
			heals(t, c)
		}
	}
	return w
}
