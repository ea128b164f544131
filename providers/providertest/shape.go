package providertest

import (
	"slices"

	"github.com/keyferry/keyferry/broker"
)

// What a provider's capabilities make of it. No check asks for its name.

func namesKeys(c broker.Capabilities) bool      { return c.NamesKeys }
func importMakesKey(c broker.Capabilities) bool { return c.ImportMakesKey }
func makesKeys(c broker.Capabilities) bool      { return !c.ImportMakesKey }
func findsByName(c broker.Capabilities) bool    { return c.PrepareFinds && c.NamesKeys && makesKeys(c) }
func importMarks(c broker.Capabilities) bool    { return c.ImportMarks }
func importLists(c broker.Capabilities) bool    { return c.ImportLists }
func wrappingLasts(c broker.Capabilities) bool  { return c.WrappingKeysLast }
func keepsWrapping(c broker.Capabilities) bool  { return c.KeepsWrappingKeys }
func keysStay(c broker.Capabilities) bool       { return c.Deletion.KeysStay }
func keysGo(c broker.Capabilities) bool         { return !c.Deletion.KeysStay }
func endsMove(c broker.Capabilities) bool       { return c.ValidTo.Moves }
func begins(c broker.Capabilities) bool         { return c.ValidTo.From }
func limitsTags(c broker.Capabilities) bool     { return c.Tags.Max > 0 }

// gives reports whether consumers are given this of some key.
func gives(g broker.Given) func(broker.Capabilities) bool {
	return func(c broker.Capabilities) bool {
		_, _, ok := pick(c, func(s broker.KeySpec, p broker.Purpose) bool { return c.Specs[s].Given[p] == g })
		return ok
	}
}

// apart: versions have states of their own. Where consumers have a name of ours, all
// versions of a key share one.
func apart(c broker.Capabilities) bool { return !gives(broker.GivenName)(c) }

func together(c broker.Capabilities) bool { return !apart(c) }

// further: some keys can hold a further version.
func further(c broker.Capabilities) bool {
	_, _, ok := pick(c, func(s broker.KeySpec, _ broker.Purpose) bool { return c.Specs[s].SecondVersion })
	return ok
}

// withholds: a version may be disabled until it is activated, and shows its public key
// meanwhile.
func withholds(c broker.Capabilities) bool {
	_, _, ok := pick(c, withheldPair(c))
	return ok
}

func withheldPair(c broker.Capabilities) func(broker.KeySpec, broker.Purpose) bool {
	return func(s broker.KeySpec, p broker.Purpose) bool { return !s.Secret() && c.Specs[s].Given[p].Withheld() }
}

func both(conditions ...func(broker.Capabilities) bool) func(broker.Capabilities) bool {
	return func(c broker.Capabilities) bool {
		return !slices.ContainsFunc(conditions, func(f func(broker.Capabilities) bool) bool { return !f(c) })
	}
}

// quickest are the key specs whose checks are quick: HMAC, whose material never has
// an id and whose proof is a comparison, before all others.
func quickest() []broker.KeySpec {
	first := []broker.KeySpec{broker.HMAC256, broker.AES256, broker.ECP384, broker.ECP256, broker.RSA2048}
	return append(first, broker.KeySpecs()...)
}

// pick is the quickest key that the target takes and that suits.
func pick(c broker.Capabilities, suits func(broker.KeySpec, broker.Purpose) bool) (broker.KeySpec, broker.Purpose, bool) {
	for _, s := range quickest() {
		for _, p := range c.Purposes(s) {
			if suits(s, p) {
				return s, p, true
			}
		}
	}
	return "", "", false
}

// has reports whether the target has a changing call.
func has(call string) func(broker.Capabilities) bool {
	return func(c broker.Capabilities) bool {
		switch call {
		case "prepare":
			return makesKeys(c)
		case "make-wrapping-key":
			return c.KeepsWrappingKeys
		case "activate", "deactivate":
			return gives(broker.GivenName)(c) || gives(broker.GivenPrimary)(c)
		case "delete-material":
			return together(c)
		case "set-end":
			return endsMove(c)
		default:
			return true
		}
	}
}

// naming reports whether a changing call's answer names the key: AWS says nothing but
// "done" of some.
func naming(call string) func(broker.Capabilities) bool {
	return func(c broker.Capabilities) bool {
		named := []string{"prepare", "import", "delete-material", "schedule", "cancel"}
		return has(call)(c) && (apart(c) || slices.Contains(named, call))
	}
}
