package broker

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// deletion is how a key is deleted: after which waiting period, and how that is waited
// for to be seen.
type deletion struct {
	window time.Duration
	wait   patience
}

// scheduleDeletion has the target delete the key after the window, and returns
// what is seen of it then: scheduled, or destroyed where it is no longer there.
// Scheduled already, it is left so.
func scheduleDeletion(ctx context.Context, t Target, e Effect, v VersionRef, how deletion) (Observation, error) {
	seen, gone, err := lookGone(ctx, t, v.Key, false, how.wait)
	for range attempts {
		if err != nil || gone {
			return seen, err
		}
		err = again(ctx, func() error {
			_, err := t.Provider.Do(ctx, e, v, Action{Kind: Schedule, Window: how.window})
			return err
		})
		if err != nil && !errors.Is(err, Unclear) && !errors.Is(err, Conflict) {
			return Observation{}, err
		}
		seen, gone, err = lookGone(ctx, t, v.Key, true, how.wait)
	}
	if err != nil || gone {
		return seen, err
	}
	return Observation{}, &Error{Kind: Unavailable, Op: "schedule deletion of", Object: v.Key.ID, Cause: fmt.Errorf("it was asked for, and the key is %s", seen.State)}
}

// lookGone looks at a key until it is seen, or, asked, until it is gone, or the target
// has settled; gone is that nothing of it can be used any more. A key that is not seen by then is
// destroyed; one that stays without versions is gone as far as a key can be.
func lookGone(ctx context.Context, t Target, key KeyRef, asked bool, wait patience) (seen Observation, gone bool, err error) {
	caps := t.Provider.Capabilities()
	err = wait(ctx, caps.Settle, caps.Poll, func() (bool, error) {
		var there bool
		seen, there, gone, err = left(ctx, t, key)
		return err != nil || (there || caps.Deletion.KeysStay) && (gone || !asked), err
	})
	return seen, gone, err
}

// left is one look at a key, or at its versions where keys stay; there is that
// something of it is seen.
func left(ctx context.Context, t Target, key KeyRef) (seen Observation, there, gone bool, err error) {
	query := Query{Key: &key}
	if t.Provider.Capabilities().Deletion.KeysStay {
		query = Query{Versions: &key}
	}
	found, err := look(ctx, t, query)
	if err != nil {
		return Observation{}, false, false, err
	}
	seen, gone = remains(key, found)
	return seen, len(found) > 0, gone, nil
}

// remains is what of a key, or of its versions, is furthest from being gone; pure.
func remains(key KeyRef, found []Observation) (worst Observation, gone bool) {
	worst, gone = Observation{Version: VersionRef{Key: key}, State: RemoteDestroyed}, true
	for _, o := range found {
		switch o.State {
		case RemoteDestroyed, RemoteFailed:
		case RemoteScheduled:
			if gone && !o.DeletionAt.Before(worst.DeletionAt) {
				worst = o
			}
		default:
			if gone {
				worst, gone = o, false
			}
		}
	}
	return worst, gone
}
