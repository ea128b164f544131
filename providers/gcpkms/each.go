package gcpkms

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/keyferry/keyferry/broker"
)

// each does something to the version that is named, or where none is to every version
// of the key that is in one of the states. It stops at the first error, which says
// what was changed before.
func (p *Provider) each(ctx context.Context, v broker.VersionRef, verb string, in []broker.RemoteState, do func(broker.VersionRef) (broker.Receipt, error)) (broker.Receipt, error) {
	if v.ID != "" {
		return do(v)
	}
	all, err := p.lookAtVersions(ctx, v.Key)
	if err != nil {
		return broker.Receipt{}, err
	}
	var done []string
	var last broker.Receipt
	for _, o := range all {
		if !slices.Contains(in, o.State) {
			continue
		}
		receipt, err := do(o.Version)
		if err != nil {
			return last, partly(err, done)
		}
		done, last = append(done, o.Version.ID), receipt
	}
	if len(done) == 0 {
		return last, refuse(broker.Conflict, verb, v.Key.ID, "none of its versions is in a state for that")
	}
	return last, nil
}

// partly says of an error what was done before it.
func partly(err error, done []string) error {
	if e, ok := errors.AsType[*broker.Error](err); ok && len(done) > 0 {
		e.Changed = fmt.Sprintf("versions %s were changed before", strings.Join(done, ", "))
	}
	return err
}
