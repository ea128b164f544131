package azurekv

import (
	"github.com/keyferry/keyferry/broker"
)

// Capabilities are Azure's, for the kind of vault and where it keeps keys.
func (p *Provider) Capabilities() broker.Capabilities {
	service := "Azure Key Vault"
	if p.c.Kind == ManagedHSM {
		service = "Azure Managed HSM"
	}
	return broker.Capabilities{
		Provider: "azure", Service: service, Specs: p.c.specs(),
		Consumer: "{name}", NamesKeys: true,
		Names: keyRule(), Tags: tagRule(),
		// exp and nbf of a version ("About keys": key attributes); an end is moved by an update.
		ValidTo:           broker.ValidToRule{Native: true, Moves: true, From: true},
		Deletion:          deletionRule(),
		SoftwareProtected: p.c.Protection == Software,
		PrepareFinds:      true, ImportMakesKey: true, ImportMarks: true, KeepsWrappingKeys: true,
		Settle: p.c.Settle, Poll: p.c.Poll,
		Quotas: p.c.quotas(), Once: once(), Shared: shared(), Prices: p.c.prices.From, HostSuffixes: hostSuffixes(), Permissions: p.c.permissions(),
	}
}

// keyRule is Azure's for names of keys ("About keys"); one of them is that of our KEKs.
func keyRule() broker.NameRule {
	return broker.NameRule{
		Pattern: `[0-9a-zA-Z-]{1,127}`, Max: 127, Reserved: []string{kekName}, Words: "letters, digits and -, at most 127 characters",
	}
}

// deletionRule is what a vault's retention can be ("Soft-delete overview"). It is the
// vault's own, and does not change.
func deletionRule() broker.DeletionRule {
	return broker.DeletionRule{Min: 7 * day, Max: 90 * day, Default: 90 * day, Chosen: broker.ChosenNever}
}
