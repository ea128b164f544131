package main

import (
	"path/filepath"
	"strings"
	"testing"
)

// What was misused is answered with what to do, for that command.
func TestMisuseIsAnsweredWithTheCommandsOwnHelp(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "test")
	for line, wants := range map[string][]string{
		"import aws x --polcy payments": {"see keyferry import aws --help"},
		"import aws x":                  {"see keyferry import aws --help"},
		"import":                        {"see keyferry import --help"},
		"import aws --policy payments":  {"keyferry import aws: NAME of a key is missing", "see keyferry import aws --help"},
		"target enrol":                  {"keyferry target enrol: NAME of a target is missing"},
		"store backup":                  {"keyferry store backup: FILE is missing"},
		"nonsense":                      {"see keyferry --help"},
		"import aws x --spec aes-512":   {"did you mean aes-", "aes-128, aes-256", "hmac-256", "ec-p384"},
		"key list --config " + w.dir + "/none/keyferry.yaml": {"not found", "keyferry init --config " + w.dir},
	} {
		w.refuses(exitMisused, args(line), wants...)
	}
	w.refuses(exitFailed, args("target enrol nope"), "there are aws-test")
	w.configure(strings.ReplaceAll("store: keyferry.db\ntoken: {name: hsm, module: /usr/lib/some.so, label: test, environment: ENV, pin: {file: pin}}\n", "ENV", "test"))
	w.refuses(exitFailed, args("target enrol nope"), "there is none", "add it to the config")
}

func TestNoConfigAnywhereIsMisuse(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "test")
	w.config = ""
	w.env["XDG_CONFIG_HOME"] = filepath.Join(w.dir, "nothing")
	w.refuses(exitMisused, args("key list"), "not found: none of", "keyferry init")
}

func TestListsNameEachWordOnce(t *testing.T) {
	t.Parallel()
	if got := orNear("zzz", []string{"aws", "gcp", "aws"}); got != "; there are aws, gcp" {
		t.Errorf("%q", got)
	}
}
