package broker

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// mayGo refuses to remove what is not all ours, and what may be in use.
func mayGo(ctx context.Context, t Target, req OrphanRequest, o Orphan) error {
	parts, err := o.parts(ctx, t)
	if err != nil {
		return err
	}
	if why := o.foreign(); why != "" {
		return refuseOrphan(req, Denied, why, "delete it with the target's own tools, if it is yours")
	}
	ours := func(v Observation) bool { return (v.Effect != "" || o.Version != "") && v.Origin == OriginExternal }
	if theirs := slices.DeleteFunc(slices.Clone(parts), ours); len(theirs) > 0 {
		return refuseOrphan(req, Conflict,
			fmt.Sprintf("%d of its %d versions carry no mark of ours or were not imported, and it is deleted as a whole", len(theirs), len(parts)), "find out whose they are")
	}
	return req.unused(parts)
}

// parts are what of an orphan is not gone: itself, or the versions of a key of several.
func (o Orphan) parts(ctx context.Context, t Target) (parts []Observation, err error) {
	parts = []Observation{o.Observation}
	if o.Version == "" && t.Provider.Capabilities().manyVersions() {
		parts, err = look(ctx, t, Query{Versions: &o.Key})
	}
	return slices.DeleteFunc(parts, func(v Observation) bool { return ended(v.State) }), err
}

// foreign says why an orphan is not ours, its mark notwithstanding; "" it may be. Anybody
// who may set tags there can set ours; who made the material is not theirs to say.
func (o Orphan) foreign() string {
	if o.Target == "" || o.WrappingKey != "" || o.Observation.Origin == OriginExternal {
		return ""
	}
	return fmt.Sprintf("its material was not imported: its origin is %q", o.Observation.Origin)
}

// unused refuses what can be used as it is, until a person says that nobody does: a mark
// names no store, and to one that was lost, or another one on the same account, this may
// be a key like any other.
func (req OrphanRequest) unused(parts []Observation) error {
	i := slices.IndexFunc(parts, func(v Observation) bool { return v.HasMaterial && v.State != RemoteDisabled })
	if i < 0 || req.Unused {
		return nil
	}
	why := fmt.Sprintf("it is %s with material of key id %s", parts[i].State, first(parts[i].KeyID, "unknown"))
	if names := parts[i].Consumers; len(names) > 0 {
		why += ", and " + strings.Join(names, ", ") + " leads to it"
	}
	return refuseOrphan(req, Conflict, why+": it may be in use, or of another store on this account, which no mark tells",
		"make sure that nobody uses it, by the target's own log, and say so: --unused")
}
