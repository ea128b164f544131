package broker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// recovered finds out what became of an import that was intended and whose result is
// not known: looked at now, and once more after the target has settled. Not found, it
// may be sent (again). What can be read in two ways is Undecided.
func (l *line) recovered(ctx context.Context, p *place, rec EffectRecord, in ImportIn) (Imported, bool, error) {
	switch {
	case in.Kind != ImportNew:
		return l.restored(ctx, p, in)
	case l.repeats(p, in):
		return Imported{}, false, nil
	case !p.caps.ImportMarks && !p.caps.ImportLists:
		return Imported{}, false, l.undecidedImport(ctx, p, in.Key)
	}
	var intent importIntent
	if err := json.Unmarshal(rec.Intent, &intent); err != nil {
		return Imported{}, false, fmt.Errorf("decode intent: %w", err)
	}
	for i := range 2 {
		if i > 0 {
			if err := l.wait(ctx, p.caps.Settle); err != nil {
				return Imported{}, false, err
			}
		}
		seen, err := l.look(ctx, p, Query{Versions: &in.Key})
		if err != nil {
			return Imported{}, false, err
		}
		done, found, err := l.arrivedAmong(ctx, p, candidates(p.caps, rec.Effect.ID(), intent.Before, seen), in, intent.Source)
		if err != nil || found {
			return done, found, err
		}
	}
	return Imported{}, false, nil
}

// restored: what the target has by now, where importing it again would be refused.
func (l *line) restored(ctx context.Context, p *place, in ImportIn) (Imported, bool, error) {
	if !p.caps.ImportLists || in.Kind != ImportRestore {
		return Imported{}, false, nil // the same again has the same result
	}
	seen, err := l.lookSettled(ctx, p, Query{Version: in.Version})
	if err != nil {
		return Imported{}, false, err
	}
	found := len(seen) == 1 && (seen[0].HasMaterial || seen[0].State == RemoteImporting)
	return Imported{Version: *in.Version, Consumer: p.placement.Consumer}, found, nil
}

// candidates are the versions that the lost import may have made, the newest first:
// those with its mark, or, where there are none, those that came since under a
// wrapping key of ours. It is pure.
func candidates(caps Capabilities, effect string, before []string, seen []Observation) []Observation {
	var out []Observation
	for _, o := range seen {
		mine := caps.ImportMarks && o.Effect == effect
		came := !caps.ImportMarks && o.Batch != "" && !slices.Contains(before, o.Version.ID)
		if (mine || came) && o.State != RemoteFailed && o.State != RemoteScheduled && o.State != RemoteDestroyed {
			out = append(out, o)
		}
	}
	slices.SortStableFunc(out, func(a, b Observation) int { return b.CreatedAt.Compare(a.CreatedAt) })
	return out
}

// arrivedAmong takes the newest of the candidates that holds the same material; more
// of them are twins, which inventory lists. One with our mark and other material is
// for a person.
func (l *line) arrivedAmong(ctx context.Context, p *place, found []Observation, in ImportIn, source string) (Imported, bool, error) {
	if len(found) == 0 {
		return Imported{}, false, nil
	}
	if level, _ := l.proofLevel(p); level == ProofAccepted {
		return l.soleWriter(p, found, source)
	}
	var others []string
	for _, o := range found {
		err := l.holdsTheSame(ctx, p, o)
		switch {
		case err == nil:
			return Imported{Version: o.Version, Consumer: o.Consumer, Receipt: o.Receipt}, true, nil
		case !errors.Is(err, Differs):
			return Imported{}, false, err
		}
		others = append(others, o.Version.ID)
	}
	if !p.caps.ImportMarks {
		return Imported{}, false, nil // somebody else's, imported meanwhile
	}
	return Imported{}, false, &Error{
		Kind: Undecided, Op: "import", Object: "key " + l.key.Name + " at target " + p.target.Name,
		Cause: fmt.Errorf("of %s, version %s carries this import's mark and holds other material", in.Key.ID, strings.Join(others, ", ")),
		Hint:  "find out who imported it, which was not used; have it deleted, so that it is gone there",
		Seen:  p.allSighted(found, "it carries this import's mark and holds other material"),
	}
}

// soleWriter: where nothing can be compared, the one new version is ours only if
// nobody else imports there, and it came under a wrapping key that was ours to use.
func (l *line) soleWriter(p *place, found []Observation, source string) (Imported, bool, error) {
	if p.caps.SoleWriter && len(found) == 1 && (found[0].Batch == source || slices.Contains(p.sources, found[0].Batch)) {
		o := found[0]
		return Imported{Version: o.Version, Consumer: o.Consumer, Receipt: o.Receipt}, true, nil
	}
	ids := make([]string, 0, len(found))
	for _, o := range found {
		ids = append(ids, o.Version.ID)
	}
	return Imported{}, false, &Error{
		Kind: Undecided, Op: "import", Object: "key " + l.key.Name + " at target " + p.target.Name,
		Cause: fmt.Errorf("an import's answer was lost, version %s is new there, and nothing shows that it holds the same material", strings.Join(ids, ", ")),
		Hint:  "if nobody but keyferry imports into this target, say sole_writer: true in its config and enrol it again: keyferry target enrol " + p.target.Name + "; else have that version destroyed",
		Seen:  p.allSighted(found, "it is new there, and nothing shows what it holds"),
	}
}

// holdsTheSame compares one version with the token's material, as soon as its import
// has come to an end.
func (l *line) holdsTheSame(ctx context.Context, p *place, o Observation) error {
	was := p.placement
	defer func() { p.placement = was }()
	p.placement.Version = o.Version
	if err := l.arrived(ctx, p); err != nil {
		return err
	}
	level, _ := l.proofLevel(p)
	_, _, err := l.challenge(ctx, p, o.Version, level)
	return err
}
