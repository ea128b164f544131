package providertest

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/keyferry/keyferry/broker"
)

// preparesOnlyAlike asks for a name that is taken by a key that differs in one thing.
func preparesOnlyAlike(ctx context.Context, h *harness) error {
	in, e := h.simple(), h.effect(broker.StepPrepare)
	made, err := h.Provider.Prepare(ctx, e, in)
	if err != nil {
		return err
	}
	before, err := h.one(ctx, broker.Query{Key: &made.Key})
	if err != nil {
		return err
	}
	for what, change := range h.unlike(in) {
		other, by := in, e
		change(&other, &by)
		_, err := h.Provider.Prepare(ctx, by, other)
		if err := named(what, err, broker.Conflict); err != nil {
			return err
		}
	}
	after, err := h.one(ctx, broker.Query{Key: &made.Key})
	if err != nil {
		return err
	}
	if before.Effect != after.Effect || !maps.Equal(before.Tags, after.Tags) || before.State != after.State {
		return fmt.Errorf("it was %+v, and is %+v", before, after)
	}
	_, err = h.Provider.Prepare(ctx, e, in)
	return err
}

// unlike are the things in which a key can differ.
func (h *harness) unlike(in broker.PrepareIn) map[string]func(*broker.PrepareIn, *broker.Effect) {
	out := map[string]func(*broker.PrepareIn, *broker.Effect){
		"another effect": func(_ *broker.PrepareIn, e *broker.Effect) { *e = h.effect(broker.StepPrepare) },
		"another key id": func(in *broker.PrepareIn, _ *broker.Effect) { in.KeyID = unique() + unique() },
		"other tags":     func(in *broker.PrepareIn, _ *broker.Effect) { in.Tags = map[string]string{"team": "others"} },
	}
	if rule := h.caps().Deletion; rule.KeysStay && rule.Min < rule.Max {
		out["another waiting period"] = func(in *broker.PrepareIn, _ *broker.Effect) { in.Window = rule.Max }
	}
	other := func(s broker.KeySpec, p broker.Purpose) bool { return s != in.Spec && p != in.Purpose }
	if s, p, ok := pick(h.caps(), other); ok {
		out["another spec and purpose"] = func(in *broker.PrepareIn, _ *broker.Effect) { in.Spec, in.Purpose = s, p }
	}
	return out
}

func preparesEmpty(ctx context.Context, h *harness) error {
	in, e := h.simple(), h.effect(broker.StepPrepare)
	made, err := h.Provider.Prepare(ctx, e, in)
	if err != nil {
		return err
	}
	if _, err := h.fillKey(ctx, made.Key, in, make1(in.Spec)); err != nil {
		return err
	}
	_, err = h.Provider.Prepare(ctx, e, in)
	return is(err, broker.Conflict)
}

// preparesLater: what has our marks, and was there before we intended it, is not ours.
func preparesLater(ctx context.Context, h *harness) error {
	in, e := h.simple(), h.effect(broker.StepPrepare)
	if _, err := h.Provider.Prepare(ctx, e, in); err != nil {
		return err
	}
	in.At = in.At.Add(20 * time.Minute)
	_, err := h.Provider.Prepare(ctx, e, in)
	return is(err, broker.Conflict)
}

func preparesOurs(ctx context.Context, h *harness) error {
	in, e := h.simple(), h.effect(broker.StepPrepare)
	h.Plant(h.t, e.ID(), in, broker.OriginProvider)
	_, err := h.Provider.Prepare(ctx, e, in)
	if err := is(err, broker.Conflict); err != nil {
		return err
	}
	o, err := h.one(ctx, broker.Query{Name: in.RemoteName})
	if err == nil && o.Origin == broker.OriginExternal && o.HasMaterial {
		err = fmt.Errorf("material of the provider's is told to be ours: %+v", o)
	}
	return err
}

// tagged prepares, and where that makes nothing imports, under tags.
func (h *harness) tagged(ctx context.Context, tags map[string]string) (broker.PrepareIn, broker.KeyRef, error) {
	in := h.simple()
	in.Tags = tags
	key, err := h.prepare(ctx, in)
	if err != nil || !h.caps().ImportMakesKey {
		return in, key, err
	}
	_, err = h.importing(ctx, key, in, make1(in.Spec))
	return in, key, err
}

func manyTags(n int) map[string]string {
	tags := map[string]string{}
	for i := range n {
		tags[fmt.Sprintf("tag-%d", i)] = "value"
	}
	return tags
}

func tagLimit(ctx context.Context, h *harness) error {
	limit := h.caps().Tags.Max
	in, key, err := h.tagged(ctx, manyTags(limit))
	if err != nil {
		return fmt.Errorf("%d tags: %w", limit, err)
	}
	err = h.eventually(ctx, func() error {
		o, err := h.one(ctx, broker.Query{Key: &key})
		if err == nil && !maps.Equal(o.Tags, in.Tags) {
			err = fmt.Errorf("%d of %d tags are seen", len(o.Tags), limit)
		}
		return err
	})
	if err != nil {
		return err
	}
	return h.tagsRefused(ctx, manyTags(limit+1))
}

func (h *harness) tagsRefused(ctx context.Context, tags map[string]string) error {
	in, _, err := h.tagged(ctx, tags)
	if err := is(err, broker.Misuse, broker.Rejected); err != nil {
		return err
	}
	if !h.caps().NamesKeys {
		return nil
	}
	return h.none(ctx, broker.Query{Name: in.RemoteName})
}

func tagRule(ctx context.Context, h *harness) error {
	for _, name := range []string{"", strings.Repeat("x", 2000)} {
		if err := h.tagsRefused(ctx, map[string]string{name: "value"}); err != nil {
			return fmt.Errorf("a name of %d characters: %w", len(name), err)
		}
	}
	if err := h.tagsRefused(ctx, map[string]string{"team": strings.Repeat("x", 2000)}); err != nil {
		return fmt.Errorf("a long value: %w", err)
	}
	for _, own := range h.caps().Tags.Reserved {
		for _, name := range []string{own + "x", strings.ToUpper(own) + "X"} {
			if err := h.tagsRefused(ctx, map[string]string{name: "value"}); err != nil {
				return fmt.Errorf("%s, which is not the customer's: %w", name, err)
			}
		}
	}
	return nil
}
