package broker

import (
	"context"
	"errors"
	"slices"
	"strings"
)

// findOrphan looks for it anew. gone is that nothing of it can be used any more, and that
// it was ours.
func (b *Broker) findOrphan(ctx context.Context, req OrphanRequest) (o Orphan, gone bool, err error) {
	if req.Target == "" {
		return b.findObject(ctx, req)
	}
	found, err := b.Orphans(ctx, []string{req.Target})
	if err != nil {
		return Orphan{}, false, err
	}
	i := slices.IndexFunc(found, func(o Orphan) bool { return o.Key.ID == req.Ref && o.Version == req.Version })
	if i < 0 {
		return b.noOrphan(ctx, req)
	}
	t, err := b.target(req.Target)
	if err != nil {
		return Orphan{}, false, err
	}
	if why := found[i].stays(t.Provider.Capabilities()); why != "" {
		return Orphan{}, false, refuseOrphan(req, Unsupported, why, "nothing uses it; keyferry inventory --orphans goes on listing it")
	}
	if found[i].WrappingKey != "" { // it has no material of anybody's, and is only disabled
		return found[i], false, b.servesNoImport(ctx, req)
	}
	return found[i], false, mayGo(ctx, t, req, found[i])
}

// noOrphan says why something at a target is none: it is gone, on record, or not ours.
func (b *Broker) noOrphan(ctx context.Context, req OrphanRequest) (o Orphan, gone bool, err error) {
	t, err := b.target(req.Target)
	if err != nil {
		return Orphan{}, false, err
	}
	v := VersionRef{Key: KeyRef{ID: req.Ref}, ID: req.Version}
	query := Query{Version: &v}
	if v.ID == "" {
		query = Query{Key: &v.Key}
	}
	seen, err := look(ctx, t, query)
	if err != nil {
		return Orphan{}, false, err
	}
	known, err := b.recordedAt(ctx, t)
	if err != nil {
		return Orphan{}, false, err
	}
	o = Orphan{Target: t.Name, Key: v.Key, Version: v.ID, State: RemoteDestroyed}
	if len(seen) > 0 {
		o = orphanOf(t.Name, seen[0])
		o.Version = v.ID
	}
	gone = ended(o.State) || o.WrappingKey != "" && (o.State == RemoteDisabled || past(o.Observation))
	onRecord := v.ID == "" && known.keys[v.Key.ID] || known.versions[v] || known.wrappingKeys[o.WrappingKey]
	begun, _, err := b.removalOf(ctx, o)
	switch {
	case err != nil:
		return Orphan{}, false, err
	case onRecord:
		return Orphan{}, false, refuseOrphan(req, Conflict, "it is on record", "keyferry operation abort takes an import back; keyferry key list shows whose it is")
	case len(seen) == 0 && !begun:
		return Orphan{}, false, refuseOrphan(req, NotFound, "nothing of that name is there", "keyferry inventory --orphans --target "+t.Name)
	case o.Effect == "" && o.Version == "" && !begun:
		return Orphan{}, false, refuseOrphan(req, Denied, "it carries no mark of ours", "delete it with the target's own tools, if it is yours")
	case gone:
		return o, true, nil
	}
	return Orphan{}, false, refuseOrphan(req, Conflict, "it is not among the orphans of that target", "keyferry inventory --orphans --target "+t.Name)
}

// findObject looks for an object of ours in the token that no version on record has.
func (b *Broker) findObject(ctx context.Context, req OrphanRequest) (Orphan, bool, error) {
	keyID, number, ours := MaterialID(req.Ref).Parse()
	if !ours {
		return Orphan{}, false, refuseOrphan(req, Denied, "its id is not one of ours", "destroy it with the token's own tools, if it is yours")
	}
	stray, err := b.StrayObjects(ctx)
	if err != nil {
		return Orphan{}, false, err
	}
	if i := slices.IndexFunc(stray, func(o Orphan) bool { return string(o.Material) == req.Ref }); i >= 0 {
		return stray[i], false, b.servesNobody(ctx, req, keyID)
	}
	o := Orphan{Material: MaterialID(req.Ref), State: RemoteDestroyed}
	known, err := b.hasVersion(ctx, keyID, number)
	if err != nil {
		return Orphan{}, false, err
	}
	begun, _, err := b.removalOf(ctx, o)
	switch {
	case err != nil || begun && !known:
		return o, true, err
	case known:
		return Orphan{}, false, refuseOrphan(req, Conflict, "a version on record has it", "keyferry key list shows whose it is")
	}
	return Orphan{}, false, refuseOrphan(req, NotFound, "the token has no such object", "keyferry inventory --orphans")
}

func refuseOrphan(req OrphanRequest, kind Kind, why, hint string) error {
	return &Error{
		Kind: kind, Op: "remove orphan", Object: strings.TrimSuffix(req.Ref+" "+req.Version, " ") + " " + first(at(req.Target), "in the token"), Cause: errors.New(why), Hint: hint,
	}
}

// stays says why nothing of an orphan can be removed; "" it can.
func (o Orphan) stays(caps Capabilities) string {
	switch keys := caps.Deletion.KeysStay; {
	case o.Target == "" || o.WrappingKey != "":
		return ""
	case o.Version != "" && !keys:
		return caps.Service + " deletes whole keys, and the key of this version is on record"
	case o.Version == "" && keys && !o.HasMaterial && (o.State == RemotePending || o.State == RemoteFailed):
		return "keys stay there for ever, and it has no version that could be destroyed"
	default:
		return ""
	}
}

// advise says of an orphan how it is removed, or why it is not.
func (o Orphan) advise(caps Capabilities) Orphan {
	where := "--target " + o.Target
	if o.Target == "" {
		where = "--token"
	}
	if o.Do = first(o.stays(caps), o.foreign()); o.Do == "" {
		o.Do = removal(first(string(o.Material), o.Key.ID), o.Version, where)
	}
	return o
}

// removal is the command.
func removal(ref, version, where string) string {
	if version != "" {
		where += " --version " + shellWord(version)
	}
	return "keyferry orphan remove " + shellWord(ref) + " " + where + " --reason …"
}

// shellWord is what a target says, as one word to a shell.
func shellWord(text string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_./:@-", r)
	}
	if text != "" && strings.IndexFunc(text, func(r rune) bool { return !plain(r) }) < 0 {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}
