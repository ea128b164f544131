package pkcs11_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/hsm/pkcs11"
	"github.com/keyferry/keyferry/hsm/softtoken"
)

func TestModuleThatIsNone(t *testing.T) {
	dir := t.TempDir()
	text := filepath.Join(dir, "module.so")
	must(t, os.WriteFile(text, []byte("#!/bin/sh\n"), 0o600))
	program, err := os.Executable()
	must(t, err)
	for path, words := range map[string]string{
		"libsofthsm2.so":              "not an absolute path",
		filepath.Join(dir, "none.so"): "no such file",
		dir:                           "not a file",
		text:                          "not a shared library",
		program:                       "",
	} {
		_, err := pkcs11.Open(t.Context(), pkcs11.Config{Module: path, TokenLabel: "x"})
		expect(t, err, broker.Misuse, path, words)
	}
}

func TestTokenIsChosenByNameNeverByPosition(t *testing.T) {
	each(t, func(t *testing.T, k softtoken.Kind) {
		made := store(t, k, "alone", "twin", "twin")
		byLabel := configOf(made[0])
		byLabel.TokenSerial, byLabel.TokenLabel = "", "alone"
		token := open(t, byLabel)
		info, err := token.Info(t.Context())
		must(t, err)
		if info.Serial != made[0].Serial || info.Label != "alone" {
			t.Errorf("%+v", info)
		}
		for _, c := range []struct {
			label, serial string
			kind          broker.Kind
			words         []string
		}{
			{"twin", "", broker.Conflict, []string{made[1].Serial, made[2].Serial}},
			{"nobody", "", broker.NotFound, []string{`"nobody"`, "alone", made[0].Serial, made[2].Serial}},
			{"alone", made[1].Serial, broker.NotFound, []string{made[1].Serial}},
			{"", "", broker.Misuse, nil},
		} {
			config := byLabel
			config.TokenLabel, config.TokenSerial = c.label, c.serial
			_, err := pkcs11.Open(t.Context(), config)
			expect(t, err, c.kind, c.words...)
		}
		both := configOf(made[2])
		both.TokenLabel = "twin"
		second := open(t, both)
		must(t, second.Health(t.Context()))
	})
}

func TestPlansAreKeptForTheNextProcess(t *testing.T) {
	b := shimmed(t, softtoken.SoftHSM)
	b.config.CacheDir = filepath.Join(t.TempDir(), "cache")
	wraps := func() int {
		token, err := pkcs11.Open(t.Context(), b.config)
		must(t, err)
		before := len(b.shim.Calls("C_WrapKey"))
		plans, err := token.Plans(t.Context())
		must(t, err)
		if len(plans) != len(broker.KeySpecs())*len(broker.Mechanisms()) {
			t.Errorf("%d plans", len(plans))
		}
		must(t, token.Close(context.WithoutCancel(t.Context())))
		return len(b.shim.Calls("C_WrapKey")) - before
	}
	if wraps() == 0 {
		t.Error("nothing was probed")
	}
	if n := wraps(); n != 0 {
		t.Errorf("%d wraps, although the plans are kept", n)
	}
	kept, err := filepath.Glob(filepath.Join(b.config.CacheDir, "*"))
	must(t, err)
	if len(kept) != 1 {
		t.Fatalf("kept: %v", kept)
	}
	info, err := os.Stat(kept[0])
	must(t, err)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("%s has mode %v", kept[0], info.Mode())
	}
	must(t, os.Truncate(kept[0], info.Size()/2))
	if wraps() == 0 {
		t.Error("a file that is not whole was believed")
	}
}
