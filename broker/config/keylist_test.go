package config_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/broker/config"
)

const yamlKeys = `# two keys
keys:
  - name: payments/db
    policy: payments
    spec: aes-256
    purpose: encrypt
    targets: [aws, pool]
    retain: token
    valid_to: 90d
    owner: payments
    tags: {team: pay, cost: "4711"}
  - {name: old, object: their-key}
`

const csvKeys = "name,policy,spec,purpose,targets,retain,valid_to,object,owner,tags\r\n" +
	"payments/db,payments,aes-256,encrypt,aws pool,token,90d,,payments,team=pay cost=4711\r\n" +
	"old,,,,,,,their-key,,\r\n"

func wantKeys() []config.KeyRow {
	return []config.KeyRow{
		{
			Name: "payments/db", Policy: "payments", Spec: broker.AES256, Purpose: broker.Encrypt, Targets: []string{"aws", "pool"},
			Retain: broker.RetainToken, ValidTo: "90d", Owner: "payments", Tags: map[string]string{"team": "pay", "cost": "4711"},
		},
		{Name: "old", Object: "their-key"},
	}
}

// One list, in every form that people and spreadsheets write it in.
func TestListsOfKeysAreRead(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"k.yaml": yamlKeys, "k.csv": csvKeys, "BOM.csv": "\xef\xbb\xbf" + csvKeys, "BOM.yaml": "\xef\xbb\xbf" + yamlKeys,
		"LF.CSV": strings.ReplaceAll(csvKeys, "\r\n", "\n"), "CRLF.yml": strings.ReplaceAll(yamlKeys, "\n", "\r\n"),
		"no end.csv": strings.TrimSuffix(csvKeys, "\r\n"), "quoted.csv": strings.ReplaceAll(csvKeys, "aws pool", `"aws pool"`),
	} {
		got, err := config.ParseKeys("/tmp/"+name, []byte(text))
		if diff := cmp.Diff(wantKeys(), got, cmpopts.IgnoreFields(config.KeyRow{}, "Line")); err != nil || diff != "" {
			t.Errorf("%s: %v\n%s", name, err, diff)
		}
	}
}

// A bad row is refused in its place; the others are read.
func TestABadRowIsAlone(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ row, says string }{
		"unknown spec.csv":   {"bad,,aes-512,,,,,,,", `k.csv:3: misuse: spec: "aes-512" is unknown; did you mean aes-`},
		"no name.csv":        {",p,,,,,,,,", "name is missing"},
		"too few.csv":        {"bad,p", "it has 2 columns, the first line 10"},
		"too many.csv":       {"bad,,,,,,,,,,x", "it has 11 columns, the first line 10"},
		"tag.csv":            {"bad,,,,,,,,,team", `tags: "team" is not NAME=VALUE`},
		"quote.csv":          {`bad"x,,,,,,,,,`, `bare "`},
		"twice.csv":          {"good,,,,,,,,,", `"good" is there twice; first in line 2`},
		"unknown spec.yaml":  {"{name: bad, spec: aes-512}", `k.yaml:3: misuse: keys[1].spec: "aes-512" is unknown`},
		"unknown key.yaml":   {"{name: bad, polcy: p}", `unknown key "polcy" in keys[1]; did you mean policy?`},
		"no name.yaml":       {"{policy: p}", "keys[1].name is missing"},
		"a word.yaml":        {"bad", "keys[1] must be a mapping"},
		"twice.yaml":         {"{name: good}", `"good" is there twice; first in line 2`},
		"targets a word.yml": {"{name: bad, targets: aws}", "keys[1].targets must be a list"},
	} {
		file, text := "/x/k.yaml", "keys:\n  - {name: good}\n  - "+c.row+"\n  - {name: better}\n"
		if strings.HasSuffix(name, ".csv") {
			file, text = "/x/k.csv", strings.SplitAfter(csvKeys, "\n")[0]+"good,,,,,,,,,\n"+c.row+"\nbetter,,,,,,,,,\n"
		}
		rows, err := config.ParseKeys(file, []byte(text))
		if err != nil || len(rows) != 3 || rows[0].Err != nil || rows[2].Err != nil || rows[2].Name != "better" {
			t.Errorf("%s: %+v, %v", name, rows, err)
			continue
		}
		if bad := rows[1]; !errors.Is(bad.Err, broker.Misuse) || !strings.Contains(bad.Err.Error(), c.says) || bad.Line != 3 {
			t.Errorf("%s: line %d: %v; want %q", name, bad.Line, bad.Err, c.says)
		}
	}
}

func TestAListThatIsNoneIsRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ text, says string }{
		"k.yaml":      {"", "a mapping with one key, keys"},
		"list.yaml":   {"- {name: a}", "a mapping with one key, keys"},
		"other.yaml":  {"targets: []", "a mapping with one key, keys"},
		"empty.yaml":  {"keys: []", "there is no key in it"},
		"no.yaml":     {"keys: [", "not YAML"},
		"empty.csv":   {"", "its first line must name the columns: name, policy"},
		"header.csv":  {"name,policy\n", "there is no key in it"},
		"unknown.csv": {"name,polcy\na,b\n", `the column "polcy" is unknown; did you mean policy?`},
		"twice.csv":   {"name,name\na,b\n", "the column name is there twice"},
		"noname.csv":  {"policy\np\n", "the column name is missing"},
	} {
		_, err := config.ParseKeys("/x/"+name, []byte(c.text))
		if !errors.Is(err, broker.Misuse) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v; want %q", name, err, c.says)
		}
	}
}

// FuzzParseKeys: whatever a list holds, each row is read or says why not, no name is read
// twice, and it reads the same as a spreadsheet writes it.
func FuzzParseKeys(f *testing.F) {
	for _, seed := range []string{
		yamlKeys, csvKeys, "keys:\n- {name: a}\n- {name: a}\n", "name\na\na\n", "name,tags\na,x=\n", "name\n\"a\n", "keys: &a [*a]", "",
		"\ufeffname,owner\na,\"x\ny\"\n", "name\n\na", "\ufeff\ufeffname\na\n", "name,tags\na,b=c\n,\nx\n",
	} {
		f.Add(seed, true)
		f.Add(seed, false)
	}
	f.Fuzz(func(t *testing.T, text string, csv bool) {
		path := fmt.Sprintf("/x/k.%s", map[bool]string{true: "csv", false: "yaml"}[csv])
		rows, err := config.ParseKeys(path, []byte(text))
		for _, same := range spreadsheets(text, csv) {
			if others, otherErr := config.ParseKeys(path, []byte(same)); fmt.Sprint(rows, err) != fmt.Sprint(others, otherErr) {
				t.Errorf("%q is %v, %v\n%q is %v, %v", text, rows, err, same, others, otherErr)
			}
		}
		if err != nil {
			if _, ok := errors.AsType[*config.FileError](err); !ok || !errors.Is(err, broker.Misuse) || rows != nil {
				t.Fatalf("%v is no list of problems", err)
			}
			return
		}
		names := map[string]bool{}
		for _, r := range rows {
			if r.Err != nil {
				continue
			}
			if r.Name == "" && csv || names[r.Name] || r.Line < 1 {
				t.Fatalf("%+v", r)
			}
			names[r.Name] = true
		}
	})
}

// spreadsheets are other ways to write a list: with a mark at the start, and with the
// ends of lines of another system.
func spreadsheets(text string, csv bool) (others []string) {
	if !strings.HasPrefix(text, "\ufeff") {
		others = append(others, "\ufeff"+text)
	}
	if csv && !strings.Contains(text, "\r") {
		others = append(others, strings.ReplaceAll(text, "\n", "\r\n"))
	}
	return others
}
