package chaos_test

import (
	"github.com/keyferry/keyferry/e2e/internal/e2etest"
	"github.com/keyferry/keyferry/localstack/faults"
)

// cell is one place of the table: a step of an import, where it happens, and on which
// side of its commit the program is killed there.
type cell struct {
	step, at string
	side     faults.When
}

// steps and places of the table, in its order. At a token or at the store there is one
// of each; "any" is any moment at all.
func steps() []string {
	return []string{"begin", "generate", "prepare", "first fetch", "fetch", "wrap", "import", "prove", "activate", "finish", anyMoment}
}

func places() []string { return append([]string{"store", "token"}, e2etest.Targets()...) }

const anyMoment = "any moment"

// reach is how a cell is reached in a cloud: the step is done by one of these actions.
type reach struct {
	region, key string
	actions     []string
	again       bool // it is the step only when it comes a second time for a key, which is of aes
}

// reaches of each step at each target; a step that asks a target for nothing is not
// there. The first fetch makes what later ones find: an import job, or a KEK.
func reaches() map[[2]string][]reach {
	all := map[[2]string][]reach{
		{"prepare", "aws"}:     {{actions: []string{"CreateKey"}}},
		{"fetch", "aws"}:       {{actions: []string{"GetParametersForImport"}}},
		{"import", "aws"}:      {{actions: []string{"ImportKeyMaterial"}}},
		{"prove", "aws"}:       {{actions: []string{"GenerateMac", "Sign", "GetPublicKey"}}, {actions: []string{"ImportKeyMaterial"}, again: true}},
		{"activate", "aws"}:    {{actions: []string{"CreateAlias"}}},
		{"prepare", "gcp"}:     {{actions: []string{"CreateCryptoKey"}}},
		{"first fetch", "gcp"}: {{actions: []string{"CreateImportJob"}}},
		{"fetch", "gcp"}:       {{actions: []string{"GetImportJob"}}},
		{"import", "gcp"}:      {{actions: []string{"ImportCryptoKeyVersion"}}},
		{"prove", "gcp"}:       {{actions: []string{"MacSign", "AsymmetricSign", "GetPublicKey"}}},
		{"activate", "gcp"}:    {{actions: []string{"UpdateCryptoKeyPrimaryVersion"}}},
	}
	for at, region := range map[string]string{"vault": "premium", "pool": "pool"} {
		all[[2]string{"first fetch", at}] = []reach{{region: region, actions: []string{"CreateKey"}}}
		all[[2]string{"fetch", at}] = []reach{{region: region, key: "keyferry-kek", actions: []string{"GetKey"}}}
		all[[2]string{"import", at}] = []reach{{region: region, actions: []string{"ImportKey"}}}
		all[[2]string{"prove", at}] = []reach{{region: region, actions: []string{"Sign"}}}
		all[[2]string{"activate", at}] = []reach{{region: region, actions: []string{"UpdateKey"}}}
	}
	all[[2]string{"prove", "pool"}] = []reach{{region: "pool", actions: []string{"Sign", "Decrypt"}}}
	return all
}

// functions are the token's, of each step there. At the end it remembers the audit's head.
func functions() map[string][]string {
	return map[string][]string{
		"generate": {"C_GenerateKey", "C_GenerateKeyPair"},
		"wrap":     {"C_WrapKey"},
		"finish":   {"C_SetAttributeValue"},
	}
}

// cells are all that the table has, in its order.
func cells() []cell {
	var all []cell
	for _, step := range steps() {
		for _, at := range places() {
			for _, side := range sides() {
				if there(step, at) {
					all = append(all, cell{step, at, side})
				}
			}
		}
	}
	return all
}

func sides() []faults.When { return []faults.When{faults.Before, faults.After} }

func there(step, at string) bool {
	switch at {
	case "store":
		return step == "begin" || step == "finish"
	case "token":
		return functions()[step] != nil
	default:
		return reaches()[[2]string{step, at}] != nil
	}
}

// first reports whether only the first lines of a world can be killed there.
func (c cell) first() bool { return c.step == "first fetch" }
