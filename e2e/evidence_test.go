package e2e_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/keyferry/keyferry/hsm/softtoken"
)

// entry is a line of the audit, as a script reads it.
type entry struct {
	Event     string         `json:"event"`
	Operation string         `json:"operation"`
	Target    string         `json:"target"`
	Actor     map[string]any `json:"actor"`
	Principal string         `json:"principal"`
	Reason    string         `json:"reason"`
	Ticket    string         `json:"ticket"`
	Details   map[string]any `json:"details"`
}

// at follows a path of names, like receipt.tls_version.
func (e entry) at(path string) string {
	var value any = e.Details
	for name := range strings.SplitSeq(path, ".") {
		inner, ok := value.(map[string]any)
		if !ok || inner[name] == nil {
			return ""
		}
		value = inner[name]
	}
	return fmt.Sprint(value)
}

// Who asks years later how a key came to the cloud is told by the audit: who and
// why, from which token, under which wrapping key, over which connection, and how
// it was proven.
func TestTheAuditKeepsTheEvidenceOfAnImport(t *testing.T) {
	t.Parallel()
	s := newSite(t, softtoken.SoftHSM)
	if out := s.Run(t, append(s.imports("kept", "hmac-256"), "--ticket", "CHG-1")...); out.Code != 0 {
		t.Fatal(out)
	}
	const hash, moment = `[0-9a-f]{64}`, `20\d\d-\d\d-\d\dT.*Z`
	call := func(action string) map[string]string {
		return map[string]string{
			"receipt.call": action, "receipt.request_id": `\S+`, "receipt.server_time": moment,
			"receipt.tls_version": `TLS 1\.3`, "receipt.tls_group": `\S+`, "receipt.tls_peer": hash,
		}
	}
	s.keeps(t, "kept", map[string][]map[string]string{
		"import.begun": {{"policy": "plain", "spec": "hmac-256", "purpose": "mac", "retain": "token"}},
		"material.generated": {{
			"material": "kf-.*-1", "token.manufacturer": "SoftHSM project", "token.model": `\S.*`, "token.serial": s.Token.Serial, "token.firmware": `\d.*`,
			"attributes.local": "true", "attributes.always_sensitive": "true", "attributes.extractable": "true",
			"attributes.key_gen_mechanism": "CKM_GENERIC_SECRET_KEY_GEN",
		}},
		"prepare.done": {call("CreateKey"), {"key_policy": hash, "key_ref": "arn:aws:kms:.*"}},
		"import.intended": {call("GetParametersForImport"), {
			"mechanism": "rsa-oaep-sha1", "way": "direct", "strength": "150",
			"wrapping_key": hash, "wrapping_key_expires": moment, "wrapping_key_source": "arn:aws:kms:.*",
		}},
		"import.done":     {call("ImportKeyMaterial")},
		"proof.proven":    {call("GenerateMac"), {"level": "mac", "scheme": "hmac", "challenge": "(20){64}6b6579666572727920.*", "answer": hash}},
		"activate.done":   {call("CreateAlias"), {"consumer": "alias/kept"}},
		"import.finished": {{"state": "active"}},
	})
}

// keeps holds each event of a key's import against what it must tell: patterns of
// the whole value, by path.
func (s *site) keeps(t *testing.T, name string, want map[string][]map[string]string) {
	t.Helper()
	for event, tells := range want {
		e := s.entryOf(t, name, event)
		who := e.Actor["user"] != nil && e.Actor["user"] != "" && e.Actor["host"] != nil && e.Actor["host"] != ""
		if !who || e.Operation == "" || e.Reason != "test" || e.Ticket != "CHG-1" || (e.Target != "") != (e.Principal != "") {
			t.Errorf("%s: who and why are not told: %+v", event, e)
		}
		for _, some := range tells {
			for path, pattern := range some {
				if got := e.at(path); !regexp.MustCompile(`\A(?:` + pattern + `)\z`).MatchString(got) {
					t.Errorf("%s: %s is %q, not %s", event, path, got, pattern)
				}
			}
		}
	}
}

func (s *site) entryOf(t *testing.T, name, event string) entry {
	t.Helper()
	out := s.Run(t, "audit", "list", "--key", name, "--output", "json")
	var entries []entry
	fatal(t, json.Unmarshal([]byte(out.Stdout), &entries))
	var found []entry
	for _, e := range entries {
		if e.Event == event {
			found = append(found, e)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%d entries %s of key %s: %s", len(found), event, name, out)
	}
	return found[0]
}
