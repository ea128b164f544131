package config_test

import (
	"encoding/json"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/broker/config"
)

const schemaFile = "../../docs/keyferry.schema.json"

// TestSchemaIsMadeFromTheTypes holds the schema for editors against the types.
// UPDATE=1 writes it.
func TestSchemaIsMadeFromTheTypes(t *testing.T) {
	t.Parallel()
	root := schemaOf(reflect.TypeFor[config.Config](), "")
	root["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	root["title"] = "Keyferry config"
	want, err := json.MarshalIndent(root, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	want = append(want, '\n')
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(schemaFile, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(schemaFile)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("docs/keyferry.schema.json is out of date (UPDATE=1 go test ./broker/config writes it):\n%s", diff)
	}
}

func schemaOf(t reflect.Type, tag reflect.StructTag) map[string]any {
	out := map[string]any{}
	if doc := tag.Get("doc"); doc != "" {
		out["description"] = doc
	}
	if words := enumOf(t, tag); len(words) > 0 {
		out["type"], out["enum"] = "string", words
		return out
	}
	switch {
	case t == reflect.TypeFor[config.Duration]():
		out["type"], out["pattern"] = "string", `^(\d+w)?(\d+d)?(\d+h)?(\d+m)?(\d+s)?$`
	case t.Kind() == reflect.Pointer:
		return schemaOf(t.Elem(), tag)
	case t.Kind() == reflect.Struct:
		object(t, out)
	case t.Kind() == reflect.Slice:
		out["type"], out["items"] = "array", schemaOf(t.Elem(), "")
	case t == reflect.TypeFor[config.Quotas]():
		out["type"], out["additionalProperties"] = "object", map[string]any{"type": "number", "exclusiveMinimum": 0, "maximum": 1000000}
	case t.Kind() == reflect.Map:
		out["type"], out["additionalProperties"] = "object", map[string]any{"type": "string"}
	case t.Kind() == reflect.Bool:
		out["type"] = "boolean"
	case t.Kind() == reflect.Int:
		out["type"], out["minimum"], out["maximum"] = "integer", 1, 9999
	default:
		out["type"] = "string"
		if form := tag.Get("match"); form != "" {
			out["pattern"] = "^(?:" + form + ")$"
		}
	}
	return out
}

func object(t reflect.Type, out map[string]any) {
	properties, required := map[string]any{}, []string{}
	for _, f := range reflect.VisibleFields(t) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "-" {
			continue
		}
		properties[name] = schemaOf(f.Type, f.Tag)
		if f.Tag.Get("need") != "" && f.Tag.Get("for") == "" {
			required = append(required, name)
		}
	}
	out["type"], out["properties"], out["additionalProperties"] = "object", properties, false
	if len(required) > 0 {
		out["required"] = required
	}
	if t == reflect.TypeFor[config.Target]() {
		out["allOf"] = byProvider(t)
	}
	if t == reflect.TypeFor[config.Pin]() {
		out["minProperties"], out["maxProperties"] = 1, 1
	}
}

// byProvider says for each provider which keys a target of it needs, and which it
// does not have.
func byProvider(t reflect.Type) []any {
	var rules []any
	for _, provider := range []string{config.AWS, config.GCP, config.Azure} {
		foreign, required := map[string]any{}, []string{}
		for _, f := range reflect.VisibleFields(t) {
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			at := strings.Fields(f.Tag.Get("for"))
			switch {
			case len(at) == 0:
			case !slices.Contains(at, provider):
				foreign[name] = false
			case f.Tag.Get("need") != "":
				required = append(required, name)
			}
		}
		rules = append(rules, map[string]any{
			"if":   map[string]any{"properties": map[string]any{"provider": map[string]any{"const": provider}}},
			"then": map[string]any{"properties": foreign, "required": required},
		})
	}
	return rules
}

func enumOf(t reflect.Type, tag reflect.StructTag) []string {
	switch t {
	case reflect.TypeFor[broker.KeySpec]():
		return texts(broker.KeySpecs()...)
	case reflect.TypeFor[broker.Purpose]():
		return texts(broker.Encrypt, broker.RawEncrypt, broker.MAC, broker.Sign, broker.Decrypt, broker.Agree)
	case reflect.TypeFor[broker.Retain]():
		return texts(broker.RetainToken, broker.RetainSealed, broker.RetainNone)
	case reflect.TypeFor[broker.Mechanism]():
		return texts(broker.Mechanisms()...)
	default:
		return strings.Fields(tag.Get("oneof"))
	}
}

func texts[S ~string](words ...S) []string {
	var out []string
	for _, w := range words {
		out = append(out, string(w))
	}
	return out
}

// TestEveryFieldIsDocumentedAndInTheExample: a new key comes with its meaning.
func TestEveryFieldIsDocumentedAndInTheExample(t *testing.T) {
	t.Parallel()
	example, err := os.ReadFile("../../docs/keyferry.example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var visit func(reflect.Type)
	visit = func(s reflect.Type) {
		for s.Kind() == reflect.Pointer || s.Kind() == reflect.Slice {
			s = s.Elem()
		}
		if s.Kind() != reflect.Struct {
			return
		}
		for _, f := range reflect.VisibleFields(s) {
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			if name == "-" {
				continue
			}
			if f.Tag.Get("doc") == "" {
				t.Errorf("%s has no doc", name)
			}
			if (f.Tag.Get("match") == "") != (f.Tag.Get("words") == "") {
				t.Errorf("%s has match without words, or words without match", name)
			}
			for provider := range strings.FieldsSeq(f.Tag.Get("for")) {
				if provider != config.AWS && provider != config.GCP && provider != config.Azure {
					t.Errorf("%s belongs to %s, which is no provider", name, provider)
				}
			}
			if _, err := regexp.Compile(f.Tag.Get("match")); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if !slices.ContainsFunc(strings.Split(string(example), "\n"), func(l string) bool {
				return strings.HasPrefix(strings.TrimLeft(l, " -#"), name+":")
			}) {
				t.Errorf("%s is not in the example", name)
			}
			visit(f.Type)
		}
	}
	visit(reflect.TypeFor[config.Config]())
}
