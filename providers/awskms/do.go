package awskms

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/keyferry/keyferry/broker"
)

// Do performs one action. AWS has no compare-and-set for aliases: what an alias
// leads to is read just before it is moved, and CreateAlias refuses one that is there.
func (p *Provider) Do(ctx context.Context, _ broker.Effect, v broker.VersionRef, a broker.Action) (broker.Receipt, error) {
	if err := p.ours(v.Key.ID); err != nil {
		return broker.Receipt{}, err
	}
	id := &v.Key.ID
	switch a.Kind {
	case broker.Activate:
		return p.activate(ctx, v.Key, a)
	case broker.Deactivate:
		return p.deactivate(ctx, v.Key, a)
	case broker.Disable:
		return receiptOf(invoke(ctx, p, changing("DisableKey", "disable", v), p.kms.DisableKey, &kms.DisableKeyInput{KeyId: id}))
	case broker.Enable:
		return receiptOf(invoke(ctx, p, changing("EnableKey", "enable", v), p.kms.EnableKey, &kms.EnableKeyInput{KeyId: id}))
	case broker.DeleteMaterial:
		return p.deleteMaterial(ctx, v)
	case broker.Schedule:
		return p.schedule(ctx, v, a)
	case broker.Cancel:
		c := changing("CancelKeyDeletion", "cancel deletion of", v)
		out, receipt, err := invoke(ctx, p, c, p.kms.CancelKeyDeletion, &kms.CancelKeyDeletionInput{KeyId: id})
		if err != nil {
			return broker.Receipt{}, err
		}
		return receipt, p.same(c, v.Key.ID, out.KeyId)
	default:
		return broker.Receipt{}, refuse(broker.Unsupported, string(a.Kind), v.Key.ID, "AWS KMS has no such thing")
	}
}

func changing(name, verb string, v broker.VersionRef) call {
	return call{name: name, verb: verb, object: v.Key.ID, changes: true}
}

// receiptOf is for calls whose answer says nothing.
func receiptOf[O any](_ *O, receipt broker.Receipt, err error) (broker.Receipt, error) {
	if err != nil {
		return broker.Receipt{}, err
	}
	return receipt, nil
}

func (p *Provider) deleteMaterial(ctx context.Context, v broker.VersionRef) (broker.Receipt, error) {
	c := changing("DeleteImportedKeyMaterial", "delete material of", v)
	in := &kms.DeleteImportedKeyMaterialInput{KeyId: &v.Key.ID}
	if v.ID != "" {
		in.KeyMaterialId = &v.ID
	}
	out, receipt, err := invoke(ctx, p, c, p.kms.DeleteImportedKeyMaterial, in)
	if err != nil {
		return broker.Receipt{}, err
	}
	return receipt, p.same(c, v.Key.ID, out.KeyId)
}

func (p *Provider) schedule(ctx context.Context, v broker.VersionRef, a broker.Action) (broker.Receipt, error) {
	c := changing("ScheduleKeyDeletion", "schedule deletion of", v)
	window := a.Window
	if window == 0 {
		window = p.c.DeletionWindow
	}
	days, err := windowDays(window)
	if err != nil {
		return broker.Receipt{}, refuse(broker.Rejected, c.verb, c.object, "a waiting period of %w", err)
	}
	out, receipt, err := invoke(ctx, p, c, p.kms.ScheduleKeyDeletion, &kms.ScheduleKeyDeletionInput{KeyId: &v.Key.ID, PendingWindowInDays: &days})
	if err != nil {
		return broker.Receipt{}, deletedLast(v.Key.ID, err)
	}
	return receipt, p.same(c, v.Key.ID, out.KeyId)
}

// activate makes the alias, or moves it from the key it is expected to lead to.
func (p *Provider) activate(ctx context.Context, key broker.KeyRef, a broker.Action) (broker.Receipt, error) {
	if err := p.checkAlias("activate", a.Consumer); err != nil {
		return broker.Receipt{}, err
	}
	if a.Expect == "" {
		c := call{name: "CreateAlias", verb: "create " + a.Consumer + " for", object: key.ID, changes: true}
		receipt, err := receiptOf(invoke(ctx, p, c, p.kms.CreateAlias, &kms.CreateAliasInput{AliasName: &a.Consumer, TargetKeyId: keyID(key.ID)}))
		if err == nil {
			p.untilLeads(ctx, a.Consumer, key.ID)
		}
		return receipt, err
	}
	return p.moveAlias(ctx, a.Consumer, a.Expect, key.ID)
}

// deactivate takes the alias from the key: back to Expect, or away.
func (p *Provider) deactivate(ctx context.Context, key broker.KeyRef, a broker.Action) (broker.Receipt, error) {
	if err := p.checkAlias("deactivate", a.Consumer); err != nil {
		return broker.Receipt{}, err
	}
	if a.Expect != "" && a.Expect != key.ID {
		return p.moveAlias(ctx, a.Consumer, key.ID, a.Expect)
	}
	if err := p.leads(ctx, a.Consumer, key.ID); err != nil {
		return broker.Receipt{}, err
	}
	c := call{name: "DeleteAlias", verb: "delete", object: a.Consumer, changes: true}
	receipt, err := receiptOf(invoke(ctx, p, c, p.kms.DeleteAlias, &kms.DeleteAliasInput{AliasName: &a.Consumer}))
	if err == nil {
		p.untilLeads(ctx, a.Consumer, "")
	}
	return receipt, err
}

func (p *Provider) moveAlias(ctx context.Context, alias, from, to string) (broker.Receipt, error) {
	if err := p.ours(to); err != nil {
		return broker.Receipt{}, err
	}
	if err := p.leads(ctx, alias, from); err != nil {
		return broker.Receipt{}, err
	}
	c := call{name: "UpdateAlias", verb: "move " + alias + " to", object: to, changes: true}
	receipt, err := receiptOf(invoke(ctx, p, c, p.kms.UpdateAlias, &kms.UpdateAliasInput{AliasName: &alias, TargetKeyId: keyID(to)}))
	if err == nil {
		p.untilLeads(ctx, alias, to)
	}
	return receipt, err
}

func (p *Provider) checkAlias(verb, alias string) error {
	if rule := aliasRule(); !rule.Allows(alias) {
		return refuse(broker.Misuse, verb, alias, "it is not %s", rule.Words)
	}
	return nil
}

// leads is a Conflict unless the alias leads to the key.
func (p *Provider) leads(ctx context.Context, alias, key string) error {
	held, err := p.leadsTo(ctx, alias)
	if err != nil {
		return err
	}
	if held != key {
		return refuse(broker.Conflict, "move", alias, "it leads to %q, not to %q", held, key)
	}
	return nil
}

// leadsTo is the key that an alias leads to; "" where there is no such alias.
func (p *Provider) leadsTo(ctx context.Context, alias string) (string, error) {
	meta, _, err := p.describe(ctx, alias)
	if meta == nil || err != nil {
		return "", err
	}
	return *meta.Arn, nil
}

// untilLeads waits until a read shows where an alias leads, as until does.
func (p *Provider) untilLeads(ctx context.Context, alias, key string) {
	p.wait(ctx, func(ctx context.Context) bool {
		held, err := p.leadsTo(ctx, alias)
		return held == key || final(err)
	})
}

// until waits until a read shows the key as it shall be, at most Config.Settle.
func (p *Provider) until(ctx context.Context, key string, as func(*types.KeyMetadata) bool) {
	p.wait(ctx, func(ctx context.Context) bool {
		meta, _, err := p.describe(ctx, key)
		return err == nil && meta != nil && as(meta) || final(err)
	})
}
