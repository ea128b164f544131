package broker

import (
	"strings"
	"testing"
)

// TestKeeperStandsAgainstTheToken has what no test of a whole token shows: a copy of one,
// an object of another environment, and one that is not there yet.
func TestKeeperStandsAgainstTheToken(t *testing.T) {
	t.Parallel()
	onRecord := KeeperStanding{ID: "k", State: KeeperCurrent, Environment: "test", TokenSerial: "1"}
	intended := onRecord
	intended.State = KeeperIntended
	for _, c := range []struct {
		on     KeeperStanding
		serial string
		held   []KeeperKey
		fault  string // "" none
	}{
		{onRecord, "1", []KeeperKey{{ID: "other", Environment: "test"}, {ID: "k", Environment: "test"}}, ""},
		{onRecord, "2", []KeeperKey{{ID: "k", Environment: "test"}}, "made in token 1, and this one is a copy"},
		{onRecord, "1", []KeeperKey{{ID: "k", Environment: "production"}}, `environment "production"`},
		{onRecord, "1", []KeeperKey{{ID: "other", Environment: "test"}}, "missing"},
		{intended, "1", nil, ""},
		{intended, "1", []KeeperKey{{ID: "k", Environment: "test", Fault: "its CKA_DECRYPT is true"}}, "its CKA_DECRYPT is true"},
	} {
		got := c.on
		got.against(c.serial, c.held)
		if c.fault == "" && got.Fault != "" || !strings.Contains(got.Fault, c.fault) {
			t.Errorf("%s in token %s with %+v: %q, want %q", c.on.State, c.serial, c.held, got.Fault, c.fault)
		}
	}
}
