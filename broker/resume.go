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
	view, op, err := b.heldOperation(ctx, id, op.Operation.KeyName) // again: nobody else can write it now
	if err != nil {
		release()
		return nil, nil, err
	}
	l, err := b.rebuild(view, op, lease)
	if err != nil {
		release()
		return nil, nil, err
	}
	return l, release, nil
}

// heldOperation is an operation of a key and that key, both as they were held against the
// audit.
func (b *Broker) heldOperation(ctx context.Context, id, name string) (KeyView, OperationView, error) {
	view, err := b.o.Store.Key(ctx, name)
	if err != nil {
		return KeyView{}, OperationView{}, fmt.Errorf("read key %s: %w", name, err)
	}
	operations, err := b.witnessedOperations(ctx, view)
	if err != nil {
		return KeyView{}, OperationView{}, err
	}
	for _, op := range operations {
		if op.Operation.ID == id {
			return view, op, nil
		}
	}
	return KeyView{}, OperationView{}, auditFault(fmt.Sprintf("operation %s, which was one of key %s a moment ago, is not", id, name))
}
