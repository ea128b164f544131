package broker_test

import (
	"path"
	"strings"
	"testing"
	"unicode"

	"pgregory.net/rapid"

	"github.com/keyferry/keyferry/broker"
)

func TestCheckKeyName(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"a", "Z", "0", "payments/db", "a.b", "a-b_c", "a/b/c.d", "a-", "a_", "a/-", "a--b", "v1.2.3", strings.Repeat("a", 200), "kf-1", "CON",
	} {
		if err := broker.CheckKeyName(name); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
	for name, says := range map[string]string{
		"":                       "it is empty",
		strings.Repeat("a", 201): "201 characters, 200",
		strings.Repeat("a", 300): "300 characters, 200",
		"../etc/passwd":          "not allowed", "a/../b": "not allowed", "..": "not allowed", ".": "not allowed", "a/..": "not allowed",
		"/a": "not allowed", "a/": "not allowed", "a//b": "not allowed", "a..b": "not allowed", "a./b": "not allowed", "a/.b": "not allowed",
		".a": "not allowed", "a.": "not allowed", "-a": "not allowed", "_a": "not allowed", "--output": "not allowed",
		"zahlung-ä": "not allowed", "ключ": "not allowed", "密钥": "not allowed", "a\u200bb": "not allowed", "ａ": "not allowed", "a\u0301": "not allowed",
		"a b": "not allowed", "a\nb": "not allowed", "a\n": "not allowed", "a\x00": "not allowed", "a\\b": "not allowed", "a:b": "not allowed",
		"a?b": "not allowed", "a%2fb": "not allowed", "$(id)": "not allowed", "a;b": "not allowed", "a\xff": "not allowed", "alias/{name}": "not allowed",
	} {
		err := broker.CheckKeyName(name)
		if broker.KindOf(err) != broker.Misuse || err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%.20q: %v; want a misuse that says %q", name, err, says)
		} else if len(err.Error()) > 400 {
			t.Errorf("%.20q: the error is %d bytes long", name, len(err.Error()))
		}
	}
}

// FuzzCheckKeyName holds that a name which is taken breaks no path and no line.
func FuzzCheckKeyName(f *testing.F) {
	for _, seed := range []string{"payments/db", "../a", "a/../b", "a\n", "ä", strings.Repeat("a", 300), "a.b", "a./b"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, name string) {
		err := broker.CheckKeyName(name)
		if err != nil {
			if broker.KindOf(err) != broker.Misuse || strings.ContainsFunc(err.Error(), unicode.IsControl) {
				t.Errorf("%q: %q", name, err)
			}
			return
		}
		if len(name) > 200 || path.Clean("/"+name) != "/"+name || strings.HasPrefix(name, "-") ||
			strings.ContainsFunc(name, func(r rune) bool { return r > unicode.MaxASCII || !unicode.IsGraphic(r) || unicode.IsSpace(r) }) {
			t.Errorf("%q is taken", name)
		}
	})
}

func TestNameRule(t *testing.T) {
	t.Parallel()
	rule := broker.NameRule{Pattern: `alias/[a-zA-Z0-9/_-]+|plain`, Max: 20}
	for name, want := range map[string]bool{
		"alias/a": true, "plain": true, "alias/": false, "alias/a.b": false, "xalias/a": false, "alias/a\n": false, "plainer": false, "": false,
		"alias/" + strings.Repeat("a", 14): true, "alias/" + strings.Repeat("a", 15): false,
	} {
		if got := rule.Allows(name); got != want {
			t.Errorf("%q: %v, want %v", name, got, want)
		}
	}
	if (broker.NameRule{Pattern: `(`, Max: 9}).Allows("(") {
		t.Error("a rule that cannot be read allows something")
	}
}

func TestMaterialIDOfForeignObjects(t *testing.T) {
	t.Parallel()
	for _, id := range []broker.MaterialID{
		"", "kf-", "kf--1", "kf-a", "kf-a-", "kf-a-0", "kf-a-01", "kf-a-+1", "kf-a- 1", "kf-a-1 ", "kf-a-x", "kf-a-1x",
		"KF-a-1", "xkf-a-1", "a-1", "0x6b662d612d31", "kf-a-99999999999999999999",
	} {
		if key, number, ok := id.Parse(); ok || key != "" || number != 0 {
			t.Errorf("%q is taken for version %d of %q", id, number, key)
		}
	}
}

func TestMaterialIDNamesItsKey(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		key := rapid.StringN(1, 40, -1).Draw(rt, "key")
		number := rapid.IntRange(1, 1<<31).Draw(rt, "number")
		gotKey, gotNumber, ok := broker.NewMaterialID(key, number).Parse()
		if !ok || gotKey != key || gotNumber != number {
			rt.Fatalf("%q %d, %v", gotKey, gotNumber, ok)
		}
	})
	v := broker.KeyVersion{KeyID: "k", Number: 3}
	if v.MaterialID() != "kf-k-3" {
		t.Errorf("%s", v.MaterialID())
	}
}

// FuzzMaterialID holds that what parses is what would be written.
func FuzzMaterialID(f *testing.F) {
	for _, seed := range []string{"kf-a-1", "kf-a-b-2", "kf--1", "kf-a-01", "0x00", "kf-a-9223372036854775808"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		key, number, ok := broker.MaterialID(text).Parse()
		if ok && (key == "" || number < 1 || string(broker.NewMaterialID(key, number)) != text) {
			t.Errorf("%q is taken for version %d of %q", text, number, key)
		}
	})
}

func TestObjectID(t *testing.T) {
	t.Parallel()
	for want, id := range map[broker.MaterialID][]byte{
		"kf-a-1": []byte("kf-a-1"), "0x00ff": {0, 0xff}, "0x6120": []byte("a "), "": nil, "0x617f": []byte("a\x7f"), "~!": []byte("~!"),
	} {
		if got := broker.ObjectID(id); got != want {
			t.Errorf("%x: %q, want %q", id, got, want)
		}
	}
}

func TestEffectID(t *testing.T) {
	t.Parallel()
	e := broker.Effect{Operation: "op-1", Target: "aws-prod", Step: broker.StepImport}
	if want := "kf-a0e283197f2376ce1c8b3b74cdb86116"; e.ID() != want {
		t.Errorf("%s, want %s: providers are marked with it for ever", e.ID(), want)
	}
	texts := rapid.StringMatching(`[a-z0-9/-]{0,4}`)
	effects := rapid.Custom(func(t *rapid.T) broker.Effect {
		return broker.Effect{Operation: texts.Draw(t, "operation"), Target: texts.Draw(t, "target"), Step: broker.Step(texts.Draw(t, "step"))}
	})
	rapid.Check(t, func(rt *rapid.T) {
		a, b := effects.Draw(rt, "a"), effects.Draw(rt, "b")
		if (a.ID() == b.ID()) != (a == b) {
			rt.Fatalf("%+v and %+v", a, b)
		}
		if strings.Trim(a.ID()[3:], "0123456789abcdef") != "" {
			rt.Fatalf("%s is not what every tag allows", a.ID())
		}
	})
}
