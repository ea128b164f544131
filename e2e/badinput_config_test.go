package e2e_test

import (
	"os"
	"strings"
	"testing"

	"github.com/keyferry/keyferry/hsm/softtoken"
)

// A config that is wrong is refused with its line, before anything is opened.
func TestBadConfig(t *testing.T) {
	t.Parallel()
	s := newSite(t, softtoken.SoftHSM)
	second := `  - {name: aws, provider: aws, environment: test, account: "000000000000", region: eu-west-1}` + "\npolicies:"
	table := []bad{
		{name: "unknown key", spoil: edit("    region:", "    regoin:"), says: []string{`:14:5: unknown key "regoin" in targets[0]; did you mean region? allowed: name, provider`}},
		{name: "bad duration", spoil: edit("settle: 1s", "settle: soon"), says: []string{`:17:13: targets[0].settle: "soon" is not a duration like`}},
		{name: "PIN in clear", spoil: edit(`pin: {file: "`+s.Token.PINFile+`"}`, "pin: 8642097531"), says: []string{":7:8: token.pin: a PIN is never in the config"}, never: []string{"8642097531"}},
		{name: "target twice", spoil: edit("policies:", second), says: []string{`:20:12: targets: "aws" is there twice; first in line 10`}},
		{name: "unknown provider", spoil: edit("provider: aws", "provider: awz"), says: []string{`:11:15: targets[0].provider: "awz" is unknown; did you mean aws?`}},
		{name: "unknown region", spoil: edit("region: eu-central-1", "region: Frankfurt"), says: []string{`:14:13: targets[0].region: "Frankfurt" is not a region like eu-central-1`}},
		{name: "two at once", spoil: func(t *testing.T, s *site) {
			t.Helper()
			edit("store:", "stor:")(t, s)
			edit("poll: 1s", "poll: 1y")(t, s)
		}, says: []string{`unknown key "stor"`, "store is missing", `"1y" is not a duration`, "wrong in 3 places"}},
		{name: "open to others", code: 1, spoil: func(t *testing.T, s *site) { t.Helper(); fatal(t, os.Chmod(s.Config, 0o644)) }, says: []string{"0644 lets others read or change it", "chmod 600 "}},
	}
	for i, b := range table {
		table[i].logins = []int{0}
		if b.code == 0 {
			table[i].code, table[i].says = 2, append(b.says, s.Config)
		}
	}
	s.refusesAll(t, table)
}

// A request that AWS would never take, or that this key was not begun with.
func TestBadRequest(t *testing.T) {
	t.Parallel()
	s := newSite(t, softtoken.SoftHSM)
	named := func(name string) func(*site) []string {
		return func(s *site) []string { return s.imports(name, "aes-256") }
	}
	with := func(flags ...string) func(*site) []string {
		return func(s *site) []string { return append(s.imports("refused", "aes-256"), flags...) }
	}
	spec := func(spec string) func(*site) []string {
		return func(s *site) []string { return s.imports("refused", spec) }
	}
	table := []bad{
		{name: "a name AWS keeps", args: named("aws/s3"), code: 2, says: []string{`AWS KMS does not allow the name "alias/aws/s3-`, "letters, digits"}},
		{name: "300 characters", args: named(strings.Repeat("n", 300)), code: 2, says: []string{"it has 300 characters, 200 are allowed", "payments/db"}},
		{name: "Unicode", args: named("schlüssel"), code: 2, says: []string{`name a key "schlüssel"`, "not allowed", "use letters, digits"}},
		{name: "a name that climbs", args: named("../x"), code: 2, says: []string{`name a key "../x"`, "not allowed", "use letters, digits"}},
		{name: "a name that climbs within", args: named("a/../../x"), code: 2, says: []string{`name a key "a/../../x"`, "not allowed"}},
		{name: "no name", args: named(""), code: 2, says: []string{"empty"}},
		{name: "valid-to past", args: with("--valid-to", "2020-01-01"), code: 2, says: []string{"valid-to 2020-01-01T00:00:00Z is in the past"}},
		{name: "valid-to beyond 365 days", args: with("--valid-to", "366d"), code: 2, says: []string{"is more than 365 days ahead, the most that AWS KMS allows"}},
		{name: "valid-to before activation", args: with("--valid-to", "10d", "--activate-at", "11d"), code: 2, says: []string{"valid-to ", "is not after the activation at "}},
		{name: "no time at all", args: with("--valid-to", "some day"), code: 2, says: []string{"--valid-to", `"some day"`}},
		{name: "spec not taken: aes-128", args: spec("aes-128"), code: 1, says: []string{"aes-128", "AWS KMS", "unsupported", "keyferry doctor"}},
		{name: "spec not taken: ed25519", args: spec("ed25519"), code: 1, says: []string{"ed25519", "AWS KMS", "unsupported", "keyferry doctor"}},
		{name: "no such spec", args: spec("aes-512"), code: 2, says: []string{`--spec: "aes-512" is unknown; did you mean aes-128?`}},
		{name: "no such target", args: with("--target", "mars"), code: 1, says: []string{"mars", "not found", "aws"}},
		{name: "no such policy", args: with("--policy", "gold"), code: 2, says: []string{"gold", "plain"}},
	}
	for i := range table {
		table[i].asked = reads
		if table[i].code == 2 {
			table[i].asked = "" // what is plainly wrong asks nobody
		}
	}
	s.refusesAll(t, append(table, s.otherwiseAgain()...))
}

// otherwiseAgain imports a key again with something else than before.
func (s *site) otherwiseAgain() []bad {
	nth := 15 // names go by the place in the table
	again := func(says string, change func([]string) []string) bad {
		name := "bad-" + string(rune('0'+nth/10)) + string(rune('0'+nth%10))
		nth++
		return bad{
			name: "again: " + says, code: 1, asked: reads, says: []string{says, "key " + name, "conflict"},
			spoil: func(t *testing.T, s *site) {
				t.Helper()
				if out := s.Run(t, s.imports(name, "aes-256")...); out.Code != 0 {
					t.Fatal(out)
				}
			},
			args: func(s *site) []string { return change(s.imports(name, "aes-256")) },
		}
	}
	return []bad{
		again("it has spec aes-256, hmac-256 was asked", func(a []string) []string { return append(a, "--spec", "hmac-256") }),
		again("it was imported with valid-to", func(a []string) []string { return append(a, "--valid-to", "30d") }),
		again("retain", func(a []string) []string { return append(a, "--retain", "none") }),
	}
}
