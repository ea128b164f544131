package broker

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// arrived waits until the target shows the imported version with its material and
// with the end that was asked for: an accepted import may still fail, and a target
// that forgot the end would keep a key for longer than its owner meant.
func (l *line) arrived(ctx context.Context, p *place) error {
	v := p.placement.Version
	var seen Observation
	err := eventually(ctx, p.caps.Settle, p.caps.Poll, func() (bool, error) {
		found, err := l.look(ctx, p, Query{Version: &v})
		if err != nil {
			return true, err
		}
		if len(found) == 0 {
			return false, l.notArrived(p, "it is not seen")
		}
		seen = found[0]
		return l.settledIn(p, seen)
	})
	if err != nil {
		return err
	}
	p.placement.Remote, p.placement.SeenAt = seen.State, l.b.o.Now()
	if seen.Origin != OriginExternal {
		return l.notOurs(p, fmt.Errorf("its origin is %q", seen.Origin))
	}
	p.asleep = asleep(seen, l.b.o.Now())
	return nil
}

// asleep says why a version cannot be used now, although it is there; "" it can.
func asleep(o Observation, now time.Time) string {
	switch {
	case o.State == RemoteDisabled:
		return "it is disabled"
	case o.ValidFrom.After(now):
		return "it is not valid before " + stamp(o.ValidFrom)
	case !o.ValidTo.IsZero() && !o.ValidTo.After(now):
		return "it is past its valid-to " + stamp(o.ValidTo)
	default:
		return ""
	}
}

// errImportFailed: the target accepted an import and could not finish it.
var errImportFailed = errors.New("the version there is spent")

// settledIn reports whether an observation is final.
func (l *line) settledIn(p *place, o Observation) (bool, error) {
	switch {
	case o.State == RemoteEnabled && o.HasMaterial && !p.endHolds(o): // a renewal's may be seen late
		return false, l.notOurs(p, fmt.Errorf("valid-to is %s there, %s was asked", end(o.ValidTo), end(p.placement.ValidTo)))
	case o.HasMaterial && (o.State == RemoteEnabled || o.State == RemoteDisabled && p.withheld(l.key.Purpose)):
		return true, nil
	case o.State == RemoteFailed:
		return true, l.notOurs(p, fmt.Errorf("%s: %w", first(o.Reason, "the target could not import it"), errImportFailed))
	default:
		return false, l.notArrived(p, "it is "+string(o.State))
	}
}

func (l *line) notArrived(p *place, why string) error {
	return &Error{
		Kind: Unavailable, Op: "see the import of", Object: p.placement.Version.Key.ID,
		Cause: fmt.Errorf("%s after %s", why, p.caps.Settle),
	}
}

func (l *line) notOurs(p *place, why error) error {
	return &Error{Kind: Rejected, Op: "see the import of", Object: p.placement.Version.Key.ID, Cause: why}
}

// endHolds: the target shows the end that was asked for. An endpoint that is not
// genuinely the provider's may have forgotten how to show one.
func (p *place) endHolds(o Observation) bool {
	return sameEnd(o.ValidTo, p.placement.ValidTo) || !p.target.Genuine && o.ValidTo.IsZero()
}

// sameEnd compares ends to the second: some providers keep no more.
func sameEnd(a, b time.Time) bool { return a.Truncate(time.Second).Equal(b.Truncate(time.Second)) }

func end(t time.Time) string {
	if t.IsZero() {
		return "none"
	}
	return stamp(t)
}
