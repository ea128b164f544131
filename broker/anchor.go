package broker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
)

// anchorName is the one record the broker keeps on a token.
const anchorName = "audit head"

// Why a token does not go on with a store.
var (
	// errOlderStore: what was done since is missing, and going on could do it twice.
	errOlderStore = errors.New("the store is older than that, or was rewritten")
	// errOtherStore: what the token was used for is on record elsewhere.
	errOtherStore = errors.New("the token remembers another store")
)

// anchored is what the token remembers of the store.
type anchored struct {
	Store string `json:"store"` // hash of the first audit entry: which store
	Head  Head   `json:"head"`
}

// supersedes: a record of this store says more than one of another, and else the newer.
func (a anchored) supersedes(than anchored, genesis string) bool {
	if ours := a.Store == genesis; ours != (than.Store == genesis) {
		return ours
	}
	return a.Head.Seq > than.Head.Seq
}

// Its error is Tampered for an older store, Conflict for another one.
func (b *Broker) checkAnchor(ctx context.Context, setup TokenSetup, end Head) error {
	kept, err := b.remembered(ctx, setup)
	if err != nil || kept.Store == "" {
		return err
	}
	genesis, err := b.genesis(ctx)
	if err != nil {
		return err
	}
	there, err := b.follow(ctx, kept.Head)
	if err != nil {
		return err
	}
	var why error
	kind, hint := Tampered, "restore the newest backup; where this is the newest there is: keyferry store recover --reason … looks at what was done since, and goes on with this store"
	switch {
	case kept.Store != genesis:
		kind, why = Conflict, fmt.Errorf("%w, which began with %.16s…", errOtherStore, kept.Store)
		hint = "name that store in the config, or use another token; to go on with this store on purpose, after which that one is refused: " +
			"keyferry token enrol --environment " + setup.Environment + " --restored --reason …"
	case !there:
		why = fmt.Errorf("the token remembers entry %d of this store (%.16s…), which is not in it: %w; it is read-only", kept.Head.Seq, kept.Head.Hash, errOlderStore)
	default:
		return nil
	}
	return &Error{
		Kind: kind, Op: "check the store", Object: fmt.Sprintf("at audit entry %d", end.Seq), Cause: why,
		Hint: hint,
	}
}

// remembered is what the token remembers: the newest of this store, else of another; zero
// where it remembers nothing.
func (b *Broker) remembered(ctx context.Context, setup TokenSetup) (kept anchored, err error) {
	mem, ok := setup.Token.(Anchorer)
	if !ok {
		return anchored{}, nil
	}
	texts, err := mem.Anchor(ctx, anchorName)
	if errors.Is(err, NotFound) || errors.Is(err, Unsupported) {
		return anchored{}, nil
	}
	genesis, genesisErr := b.genesis(ctx)
	err = errors.Join(err, genesisErr)
	for _, text := range texts {
		var one anchored
		err = errors.Join(err, json.Unmarshal(text, &one))
		if kept.Store == "" || one.supersedes(kept, genesis) {
			kept = one
		}
	}
	if err != nil {
		return anchored{}, fmt.Errorf("read the audit head kept on token %s: %w", setup.Name, err)
	}
	return kept, nil
}

// anchor lets the token remember the newest head. It fails softly: the head is
// sealed in the store already, and a token without data objects has no place.
func (b *Broker) anchor(ctx context.Context, setup TokenSetup, genesis string, head Head) {
	mem, ok := setup.Token.(Anchorer)
	if !ok {
		return
	}
	if kept, err := b.remembered(ctx, setup); err == nil && kept.Store == genesis && kept.Head.Seq > head.Seq {
		return // another process finished later
	}
	text, err := json.Marshal(anchored{Store: genesis, Head: Head{Seq: head.Seq, Hash: head.Hash}})
	if err == nil {
		err = mem.SetAnchor(ctx, anchorName, text)
	}
	if err != nil && !errors.Is(err, Unsupported) {
		b.o.Log.WarnContext(ctx, "audit head not kept on the token", "token", setup.Name, "error", err)
	}
}

// remember lets the token keep the newest sealed head.
func (b *Broker) remember(ctx context.Context, setup TokenSetup, head Head) {
	if genesis, err := b.genesis(ctx); err == nil && genesis != "" {
		b.anchor(ctx, setup, genesis, head)
	}
}

// genesis is the hash of the audit's first entry: which store it is; "" it is empty.
func (b *Broker) genesis(ctx context.Context) (string, error) {
	if first := b.end.begin(""); first != "" {
		return first, nil
	}
	for e, err := range b.o.Store.Entries(ctx, 0) {
		if err != nil {
			return "", fmt.Errorf("read the audit: %w", err)
		}
		if fault := chainFault(e, Head{}); fault != "" {
			return "", auditFault(fault)
		}
		return b.end.begin(e.Hash), nil
	}
	return "", nil
}

// rememberThis lets the token remember this store's newest head, whatever newer one
// it remembered.
func (b *Broker) rememberThis(ctx context.Context, setup TokenSetup) error {
	mem, ok := setup.Token.(Anchorer)
	if !ok {
		return nil
	}
	genesis, err := b.genesis(ctx)
	if err != nil {
		return err
	}
	end, err := b.o.Store.Told(ctx, "")
	if err != nil {
		return fmt.Errorf("read the audit: %w", err)
	}
	text, err := json.Marshal(anchored{Store: genesis, Head: Head{Seq: end.Entry.Seq, Hash: end.Entry.Hash}})
	if err == nil {
		err = mem.SetAnchor(ctx, anchorName, text)
	}
	if err != nil && !errors.Is(err, Unsupported) {
		return fmt.Errorf("let token %s remember the restored store: %w", setup.Name, err)
	}
	return nil
}
