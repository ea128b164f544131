package broker_test

import (
	"strings"
	"testing"

	"github.com/keyferry/keyferry/broker"
)

func TestPinsAreShownAndSealedAsTheyAre(t *testing.T) {
	t.Parallel()
	sealed := "map[certificate_file:/etc/my key.pem client_id:2222 kind:certificate]"
	for value, want := range map[string]string{
		sealed:                         "certificate_file=/etc/my key.pem, client_id=2222, kind=certificate",
		"map[inline:{\"a\": \"b:c\"}]": "inline={\"a\": \"b:c\"}", "https://vault.azure.net": "https://vault.azure.net",
		"map": "map", "map[]": "", "map[x": "map[x", "": "",
	} {
		if got := broker.ShownPin(value); got != want {
			t.Errorf("%s is shown as %s, want %s", value, got, want)
		}
	}
	e := broker.Enrolment{Pins: map[string]string{"credentials": sealed}}
	if !strings.Contains(string(e.Record()), sealed) {
		t.Errorf("what is sealed has changed: %q", e.Record())
	}
	if err := e.Matches("", map[string]string{"credentials": sealed}); err != nil {
		t.Error(err)
	}
	err := e.Matches("", map[string]string{"credentials": "map[kind:default]"})
	if err == nil || strings.Contains(err.Error(), "map[") || !strings.Contains(err.Error(), `credentials is "kind=default" in the config, "certificate_file=`) {
		t.Errorf("%v", err)
	}
	if e.Matches("", map[string]string{"credentials": broker.ShownPin(sealed)}) == nil {
		t.Error("what is shown counts for what was sealed")
	}
}
