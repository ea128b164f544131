package config_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/broker/config"
)

// good is a small config in which tests replace a line.
const good = `store: keyferry.db
token:
  name: hsm
  module: /usr/lib/softhsm/libsofthsm2.so
  label: test
  environment: test
  pin: {file: pin}
targets:
  - name: aws-test
    provider: aws
    environment: test
    account: "012345678901"
    region: eu-central-1
policies:
  - name: payments
    spec: aes-256
    targets: [aws-test]
    valid_for: 90d
`

func parse(t *testing.T, text string) (*config.Config, error) {
	t.Helper()
	return config.Parse("/etc/keyferry/keyferry.yaml", []byte(text))
}

func TestGoodConfigIsReadWhole(t *testing.T) {
	t.Parallel()
	got, err := parse(t, good)
	if err != nil {
		t.Fatal(err)
	}
	want := &config.Config{
		Path:  "/etc/keyferry/keyferry.yaml",
		Store: "/etc/keyferry/keyferry.db",
		Token: config.Token{
			Name: "hsm", Module: "/usr/lib/softhsm/libsofthsm2.so", Label: "test", Environment: "test",
			Pin: config.Pin{File: "/etc/keyferry/pin"},
		},
		Targets: []config.Target{{
			Name: "aws-test", Provider: "aws", Environment: "test", Account: "012345678901", Region: "eu-central-1",
		}},
		Policies: []config.Policy{{
			Name: "payments", Spec: broker.AES256, Targets: []string{"aws-test"}, ValidFor: config.Duration(90 * 24 * time.Hour),
		}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestAccountWithoutQuotesKeepsItsDigits(t *testing.T) {
	t.Parallel()
	for _, account := range []string{"012345678901", "111122223333", "000000000000"} {
		c, err := parse(t, strings.Replace(good, `"012345678901"`, account, 1))
		if err != nil || c.Targets[0].Account != account {
			t.Errorf("account %s: %v, %v", account, c, err)
		}
	}
}

func TestExampleLoads(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/keyferry.example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	c, err := config.Parse("/etc/keyferry/keyferry.yaml", text)
	if err != nil {
		t.Fatal(err)
	}
	if !c.Production() || len(c.Targets) != 4 || len(c.Policies) != 3 {
		t.Errorf("the example is %+v", c)
	}
	if got := c.Targets[0].KeyPolicy.File; got != "/etc/keyferry/aws-key-policy.json" {
		t.Errorf("key policy is at %s", got)
	}
	for _, line := range []string{"credential: keyferry-pin", "prompt: true", "command: [/usr/bin/pass, show, keyferry/pin]"} {
		other := strings.Replace(string(text), "    file: /etc/keyferry/pin", "    "+line, 1)
		if _, err := config.Parse("/etc/keyferry/keyferry.yaml", []byte(other)); err != nil {
			t.Errorf("with %s: %v", line, err)
		}
	}
}

// bad is one change to the good config and what the error must say.
type bad struct{ name, old, new, want string }

func badOnes() []bad {
	return []bad{
		{"unknown key", "    region:", "    regoin:", `:13:5: unknown key "regoin" in targets[0]; did you mean region? allowed: name, provider`},
		{"unknown top key", "policies:", "polices:", `:14:1: unknown key "polices"; did you mean policies? allowed: store`},
		{"missing", "    account: \"012345678901\"\n", "", ":9:5: targets[0].account is missing"},
		{"bad duration", "90d", "fast", `:18:16: policies[0].valid_for: "fast" is not a duration like 90d`},
		{"month", "90d", "3mo", `"3mo" is not a duration`},
		{"negative duration", "90d", "-90d", `"-90d" is not a duration`},
		{"huge duration", "90d", "999999999w", `is not a duration`},
		{"duration of nothing", "90d", "0s", `is not a duration`},
		{"pin in clear", "pin: {file: pin}", "pin: 4711-secret", ":7:8: token.pin: a PIN is never in the config; say where it comes from: file, credential, command, prompt, env"},
		{"pin under another key", "pin: {file: pin}", "pin: {value: 4711-secret}", `unknown key "value" in token.pin`},
		{"pin as number", "pin: {file: pin}", "pin: 4711", "a PIN is never in the config"},
		{"pin at the top", "store: keyferry.db", "store: keyferry.db\npin: 4711-secret", `unknown key "pin"`},
		{"two pins", "pin: {file: pin}", "pin: {file: pin, prompt: true}", "token.pin: file and prompt exclude each other"},
		{"no pin", "pin: {file: pin}", "pin: {}", "token.pin: say where it comes from"},
		{"pin of nothing", "pin: {file: pin}", "pin: {prompt: false}", "token.pin.prompt: false names no source"},
		{"pin command in one word", "pin: {file: pin}", "pin: {command: pass show 4711-secret}", "token.pin.command must be a list"},
		{"pin command of nothing", "pin: {file: pin}", "pin: {command: []}", "token.pin.command is empty"},
		{"pin command by search", "pin: {file: pin}", "pin: {command: [pass, show, 4711-secret]}", "token.pin.command: write the program's whole path"},
		{"pin variable", "pin: {file: pin}", "pin: {env: \"4711-secret\"}", "token.pin.env: the value is not the name of a variable"},
		{"two pins of the officer", "pin: {file: pin}", "pin: {file: pin}\n  so_pin: {file: pin, prompt: true}", "token.so_pin: file and prompt exclude each other"},
		{"the officer's pin in clear", "pin: {file: pin}", "pin: {file: pin}\n  so_pin: 4711-secret", "token.so_pin: a PIN is never in the config"},
		{"trusted and kept", "    spec: aes-256", "    spec: aes-256\n    retain: wrapped\n    wrap_with_trusted: true", "policies[0].retain: wrapped keeps material under a key that no security officer marked"},
		{"target twice", "policies:", "  - {name: aws-test, provider: aws, environment: test, account: \"012345678901\", region: eu-west-1}\npolicies:", `:14:12: targets: "aws-test" is there twice; first in line 9`},
		{"policy twice", "    valid_for: 90d\n", "  - name: payments\n", `policies: "payments" is there twice`},
		{"key twice", "    region: eu-central-1", "    region: eu-central-1\n    region: eu-west-1", `:14:5: targets[0].region is there twice; first in line 13`},
		{"unknown provider", "provider: aws", "provider: awz", `targets[0].provider: "awz" is unknown; did you mean aws? allowed: aws`},
		{"region", "eu-central-1", "Frankfurt", `targets[0].region: "Frankfurt" is not a region like eu-central-1`},
		{"account", `"012345678901"`, `"1234"`, `targets[0].account: "1234" is not twelve digits`},
		{"spec", "aes-256", "aes-265", `policies[0].spec: "aes-265" is unknown; did you mean aes-256? allowed: aes-128`},
		{"purpose", "    spec: aes-256", "    spec: aes-256\n    purpose: sign", "policies[0].purpose: a key of spec aes-256 cannot sign; allowed: encrypt"},
		{"retain", "    spec: aes-256", "    spec: aes-256\n    retain: forever", `policies[0].retain: "forever" is unknown; allowed: token, wrapped, sealed, none`},
		{"mechanism", "    spec: aes-256", "    spec: aes-256\n    mechanisms: [rsa-pkcs1]", `policies[0].mechanisms[0]: "rsa-pkcs1" is unknown`},
		{"policy's target", "[aws-test]", "[aws-tset]", `policies[0].targets[0]: no target is called "aws-tset"; did you mean aws-test?`},
		{"policy's target twice", "[aws-test]", "[aws-test, aws-test]", `"aws-test" is there twice`},
		{"text for a list", "[aws-test]", "aws-test", "policies[0].targets must be a list"},
		{"list for a text", "label: test", "label: [test]", "token.label must be one value"},
		{"text for a mapping", "label: test", "label: test\n  sessions: many", `token.sessions: "many" is not 1 to 9999`},
		{"sessions", "label: test", "label: test\n  sessions: 0", `token.sessions: "0" is not 1 to 9999`},
		{"bool", "    spec: aes-256", "    spec: aes-256\n    allow_nonconforming: maybe", `policies[0].allow_nonconforming must be true or false, not "maybe"`},
		{"neither label nor serial", "  label: test\n", "", "token: label or serial is missing"},
		{"no value", "label: test", "label:", "token.label has no value"},
		{"tilde", "keyferry.db", "~/keyferry.db", "store: ~ means nothing here"},
		{"endpoint", "    region: eu-central-1", "    region: eu-central-1\n    endpoint: localhost:4566", "targets[0].endpoint: \"localhost:4566\" is not a URL"},
		{"password in proxy", "    region: eu-central-1", "    region: eu-central-1\n    proxy: http://me:secret@proxy:1", `"http://…@proxy:1" is not a URL like http://host:port, without a password`},
		{"window", "    region: eu-central-1", "    region: eu-central-1\n    deletion_window: 3d", "deletion_window: 3d is not from 7d to 30d"},
		{"role elsewhere", "    region: eu-central-1", "    region: eu-central-1\n    role_arn: arn:aws:iam::999999999999:role/k", "role_arn: the role is not in account 012345678901"},
		{"external id alone", "    region: eu-central-1", "    region: eu-central-1\n    external_id: abc", "external_id goes with a role_arn"},
		{"poll", "    region: eu-central-1", "    region: eu-central-1\n    settle: 1s\n    poll: 1m", "poll: 1m is longer than settle (1s)"},
		{"key policy", "    region: eu-central-1", "    region: eu-central-1\n    key_policy: {inline: \"[]\"}", "key_policy.inline is not a JSON object"},
		{"two key policies", "    region: eu-central-1", "    region: eu-central-1\n    key_policy: {inline: \"{}\", file: x}", "key_policy: file and inline exclude each other"},
		{"consumer", "    region: eu-central-1", "    region: eu-central-1\n    consumer: alias/all", "is not a text with {name} in it"},
		{"anchor", "label: test", "label: &x test", "anchors, aliases and tags are not used here"},
		{"tag", "label: test", "label: !!str test", "anchors, aliases and tags are not used here"},
		{"second document", "policies:", "---\npolicies:", "a second document begins here"},
		{"not YAML", "token:", "token: [", "not YAML"},
	}
}

func TestBadConfigNamesPlaceAndWhatIsAllowed(t *testing.T) {
	t.Parallel()
	for _, b := range badOnes() {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			text := strings.Replace(good, b.old, b.new, 1)
			if text == good {
				t.Fatalf("%q is not in the good config", b.old)
			}
			_, err := parse(t, text)
			if !errors.Is(err, broker.Misuse) {
				t.Fatalf("error %v, want a misuse", err)
			}
			if !strings.Contains(err.Error(), b.want) {
				t.Errorf("error is\n%v\nwant in it\n%s", err, b.want)
			}
			if strings.Contains(err.Error(), "4711") {
				t.Errorf("the error repeats the PIN: %v", err)
			}
		})
	}
}

func TestEveryProblemIsReportedAtOnceInOrder(t *testing.T) {
	t.Parallel()
	_, err := parse(t, "stor: x\ntoken: {name: HSM, module: m, environment: production, pin: {env: PIN}}\npolicies: [{name: p, valid_for: soon, targets: [nowhere]}]\n")
	bad, ok := errors.AsType[*config.FileError](err)
	if !ok {
		t.Fatalf("error %v holds no problems", err)
	}
	wants := []string{
		`unknown key "stor"`, "store is missing", `token.name: "HSM"`, "label or serial is missing", "never holds a production PIN",
		`"soon" is not a duration`, `no target is called "nowhere"`,
	}
	text := bad.Error()
	for _, want := range wants {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not reported in\n%s", want, text)
		}
	}
	if len(bad.List) != len(wants) {
		t.Errorf("%d problems, want %d:\n%s", len(bad.List), len(wants), text)
	}
	for i, p := range bad.List[1:] {
		if p.Line < bad.List[i].Line {
			t.Errorf("problem %d is above the one before it:\n%s", i+1, text)
		}
	}
}

func TestEmptyAndForeignFilesAreRefused(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                               "the file is empty",
		"# only a comment\n":             "the file is empty",
		"- a\n- b\n":                     "the file must be a mapping",
		"just words\n":                   "the file must be a mapping",
		strings.Repeat("# x\n", 300_000): "bytes",
	} {
		_, err := parse(t, text)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.20q: %v, want %q", text, err, want)
		}
	}
}

func TestProductionTakesNoPinFromTheEnvironment(t *testing.T) {
	t.Parallel()
	test := strings.Replace(good, "pin: {file: pin}", "pin: {env: KEYFERRY_PIN}", 1)
	if _, err := parse(t, test); err != nil {
		t.Errorf("in a test environment: %v", err)
	}
	_, err := parse(t, strings.ReplaceAll(test, "environment: test", "environment: production"))
	if err == nil || !strings.Contains(err.Error(), "never holds a production PIN") {
		t.Errorf("in production: %v", err)
	}
}

func TestTargetByName(t *testing.T) {
	t.Parallel()
	c, err := parse(t, good)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := c.Target("aws-test"); !ok {
		t.Error("aws-test is not found")
	}
	if _, ok := c.Target("nowhere"); ok || c.Production() {
		t.Error("nowhere is found, or test is production")
	}
}

func write(t *testing.T, path string, mode os.FileMode) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(good), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	return path
}
