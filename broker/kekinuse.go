package broker

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// servesNoImport refuses to remove a wrapping key while an operation that brings material
// to its target is running: one that it just had made comes on record with its answer, and
// is used then. It is asked after the wrapping key was seen, so that an operation which
// begins later has another; and what is on record is read once more after it, where that
// of one which has ended meanwhile shows.
func (b *Broker) servesNoImport(ctx context.Context, req OrphanRequest) error {
	for op, err := range b.o.Store.Operations(ctx, OperationFilter{States: []OperationState{Running}}) {
		if err != nil {
			return fmt.Errorf("read operations: %w", err)
		}
		if o := op.Operation; slices.Contains(o.Targets, req.Target) {
			return refuseOrphan(req, Conflict, fmt.Sprintf("%s %s of key %s is running, and may have had it made a moment ago", o.Kind, o.ID, o.KeyName),
				"wait until it has ended; where nobody works at it any more, "+strings.Join(o.ways(), ", or "))
		}
	}
	return nil
}
