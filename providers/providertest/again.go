package providertest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/keyferry/keyferry/broker"
)

func repeats(c broker.Capabilities) bool {
	_, _, ok := pick(c, func(s broker.KeySpec, _ broker.Purpose) bool { return c.Specs[s].ImportRepeats })
	return ok
}

func renews(c broker.Capabilities) bool { return c.ValidTo.Native && !c.ValidTo.Moves }

func againChecks() []check {
	return []check{
		{name: "the first material can be sent again", when: repeats, run: sentAgain},
		{name: "material is renewed under its version", when: renews, run: renewed},
		{name: "deleted material comes back", when: together, run: comesBack},
		{name: "secret material comes back after it was deleted", when: together, run: secretComesBack},
		{name: "material that is there is not imported over itself", when: apart, run: notOverItself},
		{name: "a destroyed version comes back by a restore", when: keysStay, needs: []Need{NeedClock}, run: restores},
		{name: "an end is moved without importing again", when: endsMove, run: movesEnd},
	}
}

func sentAgain(ctx context.Context, h *harness) error {
	f, err := h.ready(ctx)
	if err != nil || !h.caps().Specs[f.in.Spec].ImportRepeats {
		return err
	}
	again, err := h.importing(ctx, f.v.Key, f.in, f.m)
	if err != nil {
		return fmt.Errorf("import again: %w", err)
	}
	seen, err := h.look(ctx, broker.Query{Versions: &f.v.Key})
	if err != nil || again.Version != f.v || len(seen) != 1 {
		return fmt.Errorf("version %v, then %v, %d versions: %w", f.v, again.Version, len(seen), err)
	}
	return h.prove(ctx, f)
}

func renewed(ctx context.Context, h *harness) error {
	f, err := h.ready(ctx)
	if err != nil {
		return err
	}
	end := h.Now().UTC().Add(90 * 24 * time.Hour).Truncate(time.Second)
	again, err := h.importing(ctx, f.v.Key, f.in, f.m, existing(f.v), until(end))
	if err != nil || again.Version != f.v {
		return fmt.Errorf("version %v, then %v: %w", f.v, again.Version, err)
	}
	if err := h.ends(ctx, f, end); err != nil {
		return err
	}
	return h.prove(ctx, f)
}

// ends waits until a version is seen to end then.
func (h *harness) ends(ctx context.Context, f filled, end time.Time) error {
	return h.eventually(ctx, func() error {
		o, err := h.one(ctx, broker.Query{Version: &f.v})
		if err == nil && !o.ValidTo.Equal(end) {
			err = fmt.Errorf("valid to %s, not %s", o.ValidTo, end)
		}
		return err
	})
}

func comesBack(ctx context.Context, h *harness) error { return h.comesBack(ctx, h.simple()) }

func secretComesBack(ctx context.Context, h *harness) error {
	if !h.caps().Takes(broker.AES256, broker.Encrypt) {
		return nil
	}
	return h.comesBack(ctx, h.want(broker.AES256, broker.Encrypt))
}

func (h *harness) comesBack(ctx context.Context, in broker.PrepareIn) error {
	f, err := h.fill(ctx, in)
	if err != nil {
		return err
	}
	if err := h.do(ctx, f.v, broker.Action{Kind: broker.DeleteMaterial}); err != nil {
		return fmt.Errorf("delete material: %w", err)
	}
	if err := h.state(ctx, f, broker.RemotePending); err != nil {
		return err
	}
	if err := named("prove without material", h.asked(ctx, f), broker.Conflict); err != nil {
		return err
	}
	return h.restore(ctx, f)
}

// restore imports material again that was there before.
func (h *harness) restore(ctx context.Context, f filled) error {
	again, err := h.importing(ctx, f.v.Key, f.in, f.m, restored(f.v))
	if err != nil || again.Version != f.v {
		return fmt.Errorf("restore: version %v, then %v: %w", f.v, again.Version, err)
	}
	if err := h.state(ctx, f, broker.RemoteEnabled); err != nil {
		return err
	}
	return h.prove(ctx, f)
}

// notOverItself: where each import is a version, the same material as existing is none.
func notOverItself(ctx context.Context, h *harness) error {
	f, err := h.ready(ctx)
	if err != nil {
		return err
	}
	for what, how := range map[string]func(*broker.ImportIn){"existing": existing(f.v), "restore": restored(f.v)} {
		_, err := h.importing(ctx, f.v.Key, f.in, f.m, how)
		if err := named(what, err, broker.Unsupported, broker.Conflict, broker.Rejected); err != nil {
			return err
		}
	}
	if err := h.versionsAre(ctx, f.v.Key, f.v.ID); err != nil {
		return err
	}
	return h.prove(ctx, f)
}

func restores(ctx context.Context, h *harness) error {
	f, err := h.ready(ctx)
	if err != nil {
		return err
	}
	if err := h.destroy(ctx, f); err != nil {
		return err
	}
	other, err := h.importing(ctx, f.v.Key, f.in, make1(f.in.Spec), restored(f.v))
	if err := h.final(ctx, other, err, broker.Differs, broker.Rejected); err != nil {
		return fmt.Errorf("other material: %w", err)
	}
	if err := h.restore(ctx, f); err != nil {
		return err
	}
	return h.versionsAre(ctx, f.v.Key, f.v.ID)
}

func movesEnd(ctx context.Context, h *harness) error {
	f, err := h.ready(ctx)
	if err != nil {
		return err
	}
	first := h.Now().UTC().Add(90 * 24 * time.Hour).Truncate(time.Second)
	for _, end := range []time.Time{first, first.Add(24 * time.Hour), {}} {
		err := h.do(ctx, f.v, broker.Action{Kind: broker.SetEnd, ValidTo: end})
		if end.IsZero() && errors.Is(err, broker.Unsupported) {
			end = first.Add(24 * time.Hour) // not everywhere can an end be taken away
		} else if err != nil {
			return fmt.Errorf("set end to %s: %w", end, err)
		}
		if err := h.ends(ctx, f, end); err != nil {
			return err
		}
	}
	if err := h.versionsAre(ctx, f.v.Key, f.v.ID); err != nil {
		return err
	}
	o, err := h.one(ctx, broker.Query{Version: &f.v})
	if err == nil {
		err = seenAs(f.in, o, f.in.At)
	}
	if err != nil {
		return err
	}
	return h.prove(ctx, f)
}
