package hsmtest

import (
	"context"
	"errors"
	"strings"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/hsm/memory"
)

// keeperLies are those of a token about what it keeps wrapped, with the promise that each
// breaks.
func keeperLies() map[string]string {
	return map[string]string{
		"plans for fewer specs":         "keep plans cover every key spec",
		"keeps under what it knows not": "a keeper key is one, and no material",
		"destroys keeper keys for all":  "a keeper key is one, and no material",
		"opens new material":            "kept material opens as it was",
		"opens what can be read":        "what is opened is hidden",
		"opens anything":                "nothing but what was kept opens",
		"opens under any keeper key":    "nothing but what was kept opens",
		"stores what can be changed":    "kept material can be stored again",
		"stores for a while":            "kept material can be stored again",
	}
}

func (l *liar) KeepPlans(ctx context.Context) ([]broker.KeepPlan, error) {
	plans, err := l.Token.KeepPlans(ctx)
	if l.lie == "plans for fewer specs" && err == nil {
		plans = plans[1:]
	}
	return plans, err
}

func (l *liar) Keep(ctx context.Context, m broker.Material, under broker.KeeperID) ([]byte, error) {
	wrapped, err := l.Token.Keep(ctx, m, under)
	if l.lie == "keeps under what it knows not" && errors.Is(err, broker.NotFound) {
		return []byte("wrapped"), nil
	}
	if err == nil {
		l.keeper = under
	}
	return wrapped, err
}

func (l *liar) Open(ctx context.Context, in broker.OpenIn) (broker.Material, error) {
	switch l.lie {
	case "opens under any keeper key":
		in.Keeper = l.keeper
	case "stores what can be changed":
		in.Usage.Modifiable = !in.Usage.Session
	case "stores for a while":
		in.Usage.Session = true
	default:
	}
	m, err := l.Token.Open(ctx, in)
	switch {
	case l.lie == "opens anything" && errors.Is(err, broker.Rejected):
		return l.Token.Generate(ctx, in.GenerateIn)
	case l.lie == "opens new material" && err == nil:
		err = l.Release(ctx, m.ID)
		_, newErr := l.Token.Generate(ctx, in.GenerateIn)
		return m, errors.Join(err, newErr)
	case l.lie == "opens what can be read" && err == nil:
		planted := memory.Planted{ID: m.ID, Spec: m.Spec, Usage: in.Usage, Open: true}
		return m, errors.Join(l.Release(ctx, m.ID), l.Plant(planted))
	default:
		return m, err
	}
}

// destroysKeeper: it takes a keeper key for material.
func (l *liar) destroysKeeper(m broker.Material, c broker.MaterialChange) bool {
	return l.lie == "destroys keeper keys for all" && c == broker.Destroy && strings.HasPrefix(string(m.ID), broker.KeeperPrefix)
}
