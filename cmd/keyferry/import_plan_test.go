package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/keyferry/keyferry/broker"
)

// TestPlanOfAList says of each key what goes where and how, and of each target what it
// is asked for.
func TestPlanOfAList(t *testing.T) {
	t.Parallel()
	w := enrolledWorld(t, "test")
	path := w.file("keys.csv", listOf(3))
	got := asks[listPlan](w, "import", "file", path, "--dry-run")
	if len(got.Keys) != 3 || len(got.Forecast.Targets) != 1 || got.Forecast.Targets[0].Keys != 3 || got.Forecast.Leaves == "" {
		t.Fatalf("%+v", got)
	}
	for _, k := range got.Keys {
		if k.State != rowPlanned || len(k.Places) != 1 || k.Places[0].Mechanism == "" || k.Places[0].Proof == "" || k.Line == 0 {
			t.Errorf("%+v", k)
		}
	}
	table := w.must("import", "file", path, "--dry-run").out
	for _, want := range []string{"MECHANISM", string(broker.OAEPSHA256), "takes about", "not counted", "the token's own time"} {
		if !strings.Contains(table, want) {
			t.Errorf("%q is not in\n%s", want, table)
		}
	}
	lines := strings.Split(strings.TrimSpace(w.must("import", "file", path, "--dry-run", "--output", "jsonl").out), "\n")
	if len(lines) != 4 || !strings.Contains(lines[3], `"seconds"`) {
		t.Errorf("as lines it is %q", lines)
	}
	if csv := w.must("import", "file", path, "--dry-run", "--output", "csv").out; strings.Count(csv, "\n") != 4 {
		t.Errorf("as CSV it is\n%s", csv)
	}
}

// TestPlanSaysWhereTheTokensTimeIsFrom, once such an import is on record.
func TestPlanSaysWhereTheTokensTimeIsFrom(t *testing.T) {
	t.Parallel()
	w := enrolledWorld(t, "test")
	path := w.file("keys.csv", listOf(3))
	if table := w.must("import", "file", path, "--dry-run").out; !strings.Contains(table, "no such import is on record: not counted") {
		t.Errorf("before there is one:\n%s", table)
	}
	w.must(args("import aws payments/db --policy payments")...)
	got := asks[listPlan](w, "import", "file", path, "--dry-run").Forecast.Token
	if len(got) != 1 || got[0].Keys != 3 || got[0].Imports != 1 {
		t.Errorf("%+v", got)
	}
	table := w.must("import", "file", path, "--dry-run").out
	for _, want := range []string{"MADE IN THE TOKEN", "aes-256", "1 imports on record, 20", "what the token takes to wrap"} {
		if !strings.Contains(table, want) {
			t.Errorf("%q is not in\n%s", want, table)
		}
	}
}

// TestPlanOfAKey says the same of one key as of a list with that key in it, and of a key
// that is there already that it asks for nothing.
func TestPlanOfAKey(t *testing.T) {
	t.Parallel()
	w := enrolledWorld(t, "test")
	one := args("import aws payments/db --policy payments --dry-run")
	got := asks[keyPlan](w, one...)
	list := asks[listPlan](w, "import", "file", w.file("keys.csv", "name,policy\npayments/db,payments\n"), "--dry-run")
	if diff := cmp.Diff(list.Forecast, got.Forecast); diff != "" || got.Key != "payments/db" || len(got.Targets) != 1 || got.Forecast.Targets[0].Keys != 1 {
		t.Errorf("%+v\n%s", got, diff)
	}
	if text := w.must(append(one, "--output", "json")...).out; strings.Contains(text, "null") {
		t.Errorf("an empty list is not [] in\n%s", text)
	}
	table := w.must(one...).out
	for _, want := range []string{"payments/db", "MECHANISM", "MONTH", "takes about", "not counted"} {
		if !strings.Contains(table, want) {
			t.Errorf("%q is not in\n%s", want, table)
		}
	}
	w.must(args("import aws payments/db --policy payments")...)
	if again := asks[keyPlan](w, one...); !again.Done || len(again.Forecast.Targets) != 0 || again.Forecast.Seconds != 0 {
		t.Errorf("done, and %+v", again)
	}
	if table := w.must(one...).out; strings.Contains(table, "takes about") {
		t.Errorf("done, and\n%s", table)
	}
}

func TestForecastTables(t *testing.T) {
	t.Parallel()
	f := broker.Forecast{Seconds: 1000, Leaves: "what others do", Targets: []broker.TargetForecast{{
		Target: "aws", Keys: 500, Proofs: map[broker.ProofLevel]int{broker.ProofReimport: 500}, MonthUSD: 500, ImportUSD: 0.0525,
		Quotas:    []broker.QuotaForecast{{Quota: "GetParametersForImport", PerSecond: 1, Calls: map[string]int{"GetParametersForImport": 1000}, Seconds: 1000}},
		PriceList: broker.PriceList{Source: "https://aws.amazon.com/kms/pricing", ValidFrom: "2026-08-08", Assumes: "nothing is free"},
	}}}
	tables := forecastTables(f)
	load, cost, end := tables[0].([]loadRow), tables[2].([]costRow), tables[3].([]fact)
	if load[0] != (loadRow{"aws", "GetParametersForImport", "1000 GetParametersForImport", 1, "16m40s"}) {
		t.Errorf("%+v", load)
	}
	if cost[0] != (costRow{"aws", 500, "500 reimport", "$500.00", "$0.0525", "$0.0000", "aws.amazon.com/kms/pricing 2026-08-08"}) {
		t.Errorf("%+v", cost)
	}
	if end[0] != (fact{"takes about", "16m40s"}) || end[2] != (fact{"aws assumes", "nothing is free"}) {
		t.Errorf("%+v", end)
	}
}
