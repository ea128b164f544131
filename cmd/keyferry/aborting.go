package main

import (
	"context"

	"github.com/keyferry/keyferry/broker"
)

// aborting are the operations that are being taken back, by key and version.
type aborting map[abortingVersion]string

type abortingVersion struct {
	key     string
	version int
}

// aborting of one key; "" of all.
func (s *session) aborting(ctx context.Context, key string) (aborting, error) {
	out := aborting{}
	filter := broker.OperationFilter{KeyName: key, States: []broker.OperationState{broker.Aborting}}
	for o, err := range s.store.Operations(ctx, filter) {
		if err != nil {
			return nil, err
		}
		out[abortingVersion{o.Operation.KeyName, o.Operation.Number}] = o.Operation.ID
	}
	return out, nil
}

// rows say of every placement of a version that is being taken back that it is: of
// those that are gone already, and of those that are left.
func (a aborting) rows(rows []placementRow) []placementRow {
	for i, r := range rows {
		if id := a[abortingVersion{r.Key, r.Version}]; id != "" {
			rows[i].Difference = "being taken back: " + broker.FinishAbort(id)
		}
	}
	return rows
}
