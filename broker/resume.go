package broker

import (
	"context"
	"fmt"
)

// Resume goes on with an operation from wherever it stands; also an undecided
// one, which then looks again. A finished one is returned as it is.
func (b *Broker) Resume(ctx context.Context, id string) (Result, error) {
	l, release, err := b.openOperation(ctx, id)
	if err != nil {
		return Result{}, err
	}
	defer release()
	if l.op.State == Finished {
		return l.view(ctx, true)
	}
	if l.op.State == Abandoned {
		return Result{}, &Error{
			Kind: Conflict, Op: "resume", Object: "operation " + id, Cause: fmt.Errorf("it was taken back at %s", stamp(l.op.EndedAt)),
			Hint: "a version number is never used twice: import under another name",
		}
	}
	return l.run(ctx)
}

// openOperation reads an operation under its key's lease, and trusts its targets.
func (b *Broker) openOperation(ctx context.Context, id string) (*line, func(), error) {
	op, err := b.o.Store.Operation(ctx, id)
	if err != nil {
		return nil, nil, fmt.Errorf("read operation %s: %w", id, err)
	}
	var targets []Target
	for _, name := range op.Operation.Targets {
		t, err := b.target(name)
		if err != nil {
			return nil, nil, err
		}
		targets = append(targets, t)
	}
	if err := b.trust(ctx, targets); err != nil {
		return nil, nil, err
	}
	lease, release, err := b.takeLease(ctx, op.Operation.KeyName)
	if err != nil {
		return nil, nil, err
	}
	l, err := b.reread(ctx, id, lease)
	if err != nil {
		release()
		return nil, nil, err
	}
	return l, release, nil
}

// reread reads an operation again once nobody else can write its key.
func (b *Broker) reread(ctx context.Context, id string, lease Lease) (*line, error) {
	op, err := b.o.Store.Operation(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("read operation %s: %w", id, err)
	}
	view, err := b.o.Store.Key(ctx, op.Operation.KeyName)
	if err != nil {
		return nil, fmt.Errorf("read key %s: %w", op.Operation.KeyName, err)
	}
	if err := b.witnessKey(ctx, view); err != nil {
		return nil, err
	}
	return b.rebuild(view, op, lease)
}
