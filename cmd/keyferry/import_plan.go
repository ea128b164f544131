package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/keyferry/keyferry/broker"
)

// listPlan is what an import of a list would do: key by key, and what that asks of its
// targets.
type listPlan struct {
	Keys     []plannedKey    `json:"keys"`
	Forecast broker.Forecast `json:"forecast"`
}

// plannedKey is a row of the list.
type plannedKey struct {
	importedRow

	Places []broker.IntendedTarget `json:"places"`
}

// plannedRow is one key at one target, in a table.
type plannedRow struct {
	Line      int               `json:"line"`
	Key       string            `json:"key"`
	State     string            `json:"state"`
	Target    string            `json:"target"`
	Mechanism broker.Mechanism  `json:"mechanism"`
	Way       broker.Way        `json:"way"`
	Proof     broker.ProofLevel `json:"proof"`
	Operation string            `json:"operation" table:"filled"`
	Reason    string            `json:"reason" table:"filled"`
}

// planList says of each row what would be done, and of each target what that asks of
// it; it touches nothing.
func (s *session) planList(ctx context.Context, l *keyList) error {
	var plans []broker.Intended
	places := make([][]broker.IntendedTarget, len(l.rows))
	for i, req := range l.reqs {
		row := &l.rows[l.at[i]]
		plan, err := s.broker.PlanImport(ctx, req)
		if err != nil {
			row.failed(err)
			continue
		}
		row.Targets, row.Operation, row.State = intendedTargets(plan), plan.Resumes, rowPlanned
		if plan.Done {
			row.State = rowBefore
		}
		plans, places[l.at[i]] = append(plans, plan), plan.Targets
	}
	forecast, err := s.broker.Forecast(ctx, plans)
	if err != nil {
		return err
	}
	out, count := listPlan{Keys: []plannedKey{}, Forecast: forecast}, map[string]int{}
	for i, r := range l.rows {
		count[r.State]++
		out.Keys = append(out.Keys, plannedKey{r, append([]broker.IntendedTarget{}, places[i]...)})
	}
	if err := s.printListPlan(out); err != nil {
		return err
	}
	return l.verdict(count)
}

// printListPlan: as lines, each key is one, and the forecast the last.
func (s *session) printListPlan(p listPlan) error {
	switch s.String("output") {
	case "jsonl":
		if err := s.print(answer{value: p.Keys}); err != nil {
			return err
		}
		return s.print(answer{value: p.Forecast})
	case "csv":
		return s.print(answer{value: p.rows()})
	default:
		return s.print(answer{value: p, tables: append([]any{p.rows()}, forecastTables(p.Forecast)...)})
	}
}

func (p listPlan) rows() []plannedRow {
	var rows []plannedRow
	for _, k := range p.Keys {
		row := plannedRow{Line: k.Line, Key: k.Key, State: k.State, Operation: k.Operation, Reason: k.Reason}
		if len(k.Places) == 0 {
			rows = append(rows, row)
		}
		for _, t := range k.Places {
			row.Target, row.Mechanism, row.Way, row.Proof = t.Target, t.Mechanism, t.Way, t.Proof
			rows = append(rows, row)
		}
	}
	return rows
}

// loadRow is what is taken of one quota, in a table.
type loadRow struct {
	Target    string  `json:"target"`
	Quota     string  `json:"quota"`
	Calls     string  `json:"calls"`
	PerSecond float64 `json:"per_second"`
	Takes     string  `json:"takes"`
}

// makingRow is what the token takes of the time, in a table.
type makingRow struct {
	Made  string `json:"made_in_the_token"`
	Keys  int    `json:"keys"`
	Each  string `json:"each"`
	Takes string `json:"takes"`
	From  string `json:"from"` // where the figure is from
}

func makingRows(token []broker.TokenForecast) []makingRow {
	var rows []makingRow
	for _, f := range token {
		row := makingRow{Made: f.Kind(), Keys: f.Keys, From: "no such import is on record: not counted"}
		if f.Imports > 0 {
			row.Each, row.Takes = fmt.Sprintf("%.3gs", f.Each), roughly(f.Seconds)
			row.From = fmt.Sprintf("%d imports on record, %s to %s", f.Imports, f.FirstAt.UTC().Format(time.DateOnly), f.LastAt.UTC().Format(time.DateOnly))
		}
		rows = append(rows, row)
	}
	return rows
}

// costRow is what a target asks for its keys, in a table.
type costRow struct {
	Target   string `json:"target"`
	Keys     int    `json:"keys"`
	Proofs   string `json:"proofs"`
	Month    string `json:"month"`
	Import   string `json:"import"`
	ForProof string `json:"of_it_proofs"`
	Prices   string `json:"prices"`
}

// forecastTables say calls by quota, what the token takes, cost, and the time of all.
func forecastTables(f broker.Forecast) []any {
	if len(f.Targets) == 0 {
		return nil
	}
	var load []loadRow
	var cost []costRow
	var assumed []fact
	for _, t := range f.Targets {
		for _, q := range t.Quotas {
			load = append(load, loadRow{t.Target, q.Quota, counts(q.Calls), q.PerSecond, roughly(q.Seconds)})
		}
		prices := t.PriceList
		cost = append(cost, costRow{
			t.Target, t.Keys, counts(t.Proofs), fmt.Sprintf("$%.2f", t.MonthUSD), fmt.Sprintf("$%.4f", t.ImportUSD), fmt.Sprintf("$%.4f", t.ProofUSD),
			strings.TrimPrefix(prices.Source, "https://") + " " + prices.ValidFrom,
		})
		if prices.Assumes != "" {
			assumed = append(assumed, fact{t.Target + " assumes", prices.Assumes})
		}
	}
	end := append([]fact{{"takes about", roughly(f.Seconds)}, {"not counted", f.Leaves}}, assumed...)
	return []any{load, makingRows(f.Token), cost, end}
}

// counts are numbers by name, as text.
func counts[K ~string](of map[K]int) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(of)) {
		parts = append(parts, fmt.Sprintf("%d %s", of[name], name))
	}
	return strings.Join(parts, ", ")
}

// roughly is a time for people.
func roughly(seconds float64) string {
	d := time.Duration(seconds * float64(time.Second))
	if d < time.Second {
		return "less than 1s"
	}
	return d.Round(time.Second).String()
}
