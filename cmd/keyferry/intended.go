package main

import (
	"context"
	"fmt"

	"github.com/keyferry/keyferry/broker"
)

func intendedTargets(in broker.Intended) []string {
	var names []string
	for _, t := range in.Targets {
		names = append(names, t.Target)
	}
	return names
}

// keyPlan is what an import of one key would do, and what that asks of its targets.
type keyPlan struct {
	broker.Intended

	Forecast broker.Forecast `json:"forecast"`
}

// planKey says what would be done, and touches nothing.
func (s *session) planKey(ctx context.Context, in broker.Intended) error {
	forecast, err := s.broker.Forecast(ctx, []broker.Intended{in})
	if err != nil {
		return err
	}
	plan := intendedAnswer(in)
	return s.print(answer{value: keyPlan{in, forecast}, tables: append(plan.tables, forecastTables(forecast)...)})
}

// intendedAnswer is what --dry-run says.
func intendedAnswer(in broker.Intended) answer {
	head := []fact{
		{"key", in.Key}, {"version", fmt.Sprint(in.Number)}, {"spec", string(in.Spec)}, {"purpose", string(in.Purpose)}, {"retain", string(in.Retain)},
	}
	if in.Object != "" {
		head = append(head, fact{"object", string(in.Object)})
	}
	if in.Resumes != "" {
		head = append(head, fact{"goes on with", "operation " + in.Resumes})
	}
	if in.Done {
		head = append(head, fact{"done", "before; there is nothing to do"})
	}
	return answer{value: in, tables: []any{head, in.Targets}}
}

// printResult of an operation: its placements, and how it ended.
func (s *session) printResult(r broker.Result) error {
	if r.AlreadyDone {
		s.p.say("operation %s was finished before; nothing was done now", r.Operation.Operation.ID)
	}
	return s.print(answer{value: r, tables: []any{s.placementRows(r.Key), []operationRow{operationRowOf(r.Operation.Operation)}}})
}
