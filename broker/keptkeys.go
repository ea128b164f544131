package broker

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"
)

// keptMargin is how much life a kept wrapping key must have left: one that is near
// its end is not begun with, and another is made.
const keptMargin = 24 * time.Hour

// fetchWrappingKey asks the target for a wrapping key. One that is kept is used only
// while a recorded operation of ours had it made, and it is still the same: whoever
// may write to the target could have planted one whose private half he knows.
func (l *line) fetchWrappingKey(ctx context.Context, p *place, e Effect, key KeyRef) (WrappingKey, error) {
	in := WrappingKeyIn{Key: key, Mechanism: p.plan.Mechanism}
	if !p.caps.KeepsWrappingKeys {
		return l.askWrappingKey(ctx, p, e, in)
	}
	kept, err := l.keptWrappingKeys(ctx, p)
	if err != nil {
		return WrappingKey{}, err
	}
	for _, k := range kept {
		in.Kept = k.Ref
		got, err := l.askWrappingKey(ctx, p, e, in)
		switch {
		case errors.Is(err, NotFound), errors.Is(err, Expired):
			if err := l.endWrappingKey(ctx, p, k, err); err != nil {
				return WrappingKey{}, err
			}
			continue
		case err != nil:
			return WrappingKey{}, err
		}
		if err := k.same(got); err != nil {
			return WrappingKey{}, err
		}
		if why := tooSmall(got, p.target.WrappingKey); why != nil {
			if err := l.endWrappingKey(ctx, p, k, why); err != nil {
				return WrappingKey{}, err
			}
			continue
		}
		return got, nil
	}
	in.Kept = ""
	return l.makeWrappingKey(ctx, p, e, in)
}

func (l *line) askWrappingKey(ctx context.Context, p *place, e Effect, in WrappingKeyIn) (key WrappingKey, err error) {
	err = l.again(ctx, func(ctx context.Context) (err error) {
		key, err = p.target.Provider.WrappingKey(ctx, e, in)
		return err
	})
	return key, err
}

// same refuses what is no longer the key that was made.
func (k KeptWrappingKey) same(got WrappingKey) error {
	var why error
	switch {
	case got.Ref != k.Ref:
		why = fmt.Errorf("the answer is about %q", got.Ref)
	case fingerprint(got.PublicKey) != k.Fingerprint:
		why = fmt.Errorf("its fingerprint is %s, operation %s had one made with %s", fingerprint(got.PublicKey), k.Operation, k.Fingerprint)
	default:
		return nil
	}
	return &Error{
		Kind: Tampered, Op: "use wrapping key", Object: k.Ref, Cause: why,
		Hint: "nothing was wrapped; find out who changed it: a wrapping key of somebody else's gives him the key",
	}
}

// tooSmall: the target demands larger ones by now. Another is made; the check itself
// is CheckWrappingKey's.
func tooSmall(key WrappingKey, policy WrappingKeyPolicy) error {
	pub, err := parseWrappingKey(key.PublicKey)
	if err == nil && pub.N.BitLen() < policy.MinBits {
		return fmt.Errorf("it has %d bits, and %d are demanded now", pub.N.BitLen(), policy.MinBits)
	}
	return nil
}

func fingerprint(spki []byte) string {
	sum := sha256.Sum256(spki)
	return hex.EncodeToString(sum[:])
}

// keptWrappingKeys are those of the target that can still be used, the newest first,
// each held against the audit.
func (l *line) keptWrappingKeys(ctx context.Context, p *place) ([]KeptWrappingKey, error) {
	all, err := l.b.keptWrappingKeys(ctx, p.target.Name)
	if err != nil {
		return nil, err
	}
	var usable []KeptWrappingKey
	for _, k := range all {
		if k.Ended == "" && (k.ExpiresAt.IsZero() || k.ExpiresAt.After(l.b.o.Now().Add(keptMargin))) {
			usable = append(usable, k)
		}
	}
	return usable, nil
}

// keptWrappingKeys reads again where a row is not as the audit tells: no lease is on
// them, so that another run may have written one in between.
func (b *Broker) keptWrappingKeys(ctx context.Context, target string) (all []KeptWrappingKey, err error) {
	for range attempts {
		if all, err = b.o.Store.WrappingKeys(ctx, target); err != nil {
			return nil, fmt.Errorf("read wrapping keys of target %s: %w", target, err)
		}
		err = b.witness(ctx, wrappingKeysSubject(target), func(t told) error {
			var faults []error
			for _, k := range all {
				faults = append(faults, t.row(wrappingKeyRow(k), k))
			}
			return errors.Join(faults...)
		})
		if !errors.Is(err, Tampered) {
			break
		}
	}
	return all, err
}

// TargetWrappingKeys are the wrapping keys that operations of ours had made at a
// target, the newest first, each held against the audit.
func (b *Broker) TargetWrappingKeys(ctx context.Context, target string) ([]KeptWrappingKey, error) {
	if _, err := b.target(target); err != nil {
		return nil, err
	}
	return b.keptWrappingKeys(ctx, target)
}

// endWrappingKey puts on record that one is used no more.
func (l *line) endWrappingKey(ctx context.Context, p *place, k KeptWrappingKey, why error) error {
	k.Ended = printable(why.Error())
	_, err := l.apply(ctx, "wrapping-key.ended", p, Change{WrappingKey: &k}, map[string]any{"wrapping_key_ref": k.Ref, "why": k.Ended})
	return err
}

// makeWrappingKey has one made, and puts it on record before anything is wrapped
// under it. After an answer that was lost another is made: the lost one is not known
// from any other, and is never used.
func (l *line) makeWrappingKey(ctx context.Context, p *place, e Effect, in WrappingKeyIn) (WrappingKey, error) {
	var key WrappingKey
	var err error
	for range attempts {
		if err != nil {
			l.b.o.Log.WarnContext(ctx, "answer lost, another wrapping key is made", "operation", l.op.ID, "target", p.target.Name, "error", err)
		}
		if key, err = l.askWrappingKey(ctx, p, e, in); !errors.Is(err, Unclear) {
			break
		}
	}
	if err == nil && key.Ref == "" {
		err = &Error{Kind: Rejected, Op: "make a wrapping key", Object: "at target " + p.target.Name, Cause: errors.New("the answer names none")}
	}
	if err != nil {
		return WrappingKey{}, err
	}
	k := KeptWrappingKey{
		Target: p.target.Name, Ref: key.Ref, Fingerprint: fingerprint(key.PublicKey), Operation: l.op.ID,
		MadeAt: l.b.o.Now(), ExpiresAt: key.ExpiresAt.UTC().Truncate(time.Second),
	}
	_, err = l.apply(ctx, "wrapping-key.made", p, Change{WrappingKey: &k}, map[string]any{
		"wrapping_key": k.Fingerprint, "wrapping_key_ref": k.Ref, "wrapping_key_expires": k.ExpiresAt, "receipt": key.Receipt,
	})
	return key, err
}
