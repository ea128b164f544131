package azurekv

import (
	"github.com/keyferry/keyferry/broker"
)

// Capabilities are Azure's, for the kind of vault and where it keeps keys. They are
// the same for as long as it is open: nobody may change what is in them.
func (p *Provider) Capabilities() broker.Capabilities { return p.caps() }

func (c Config) capabilities() broker.Capabilities {
	service := "Azure Key Vault"
	if c.Kind == ManagedHSM {
		service = "Azure Managed HSM"
	}
	return broker.Capabilities{
		Provider: "azure", Service: service, Specs: c.specs(),
		Consumer: "{name}", NamesKeys: true,
		Names: keyRule(), Tags: tagRule(),
		// exp and nbf of a version ("About keys": key attributes); an end is moved by an update.
		ValidTo:           broker.ValidToRule{Native: true, Moves: true, From: true},
		Deletion:          deletionRule(),
		SoftwareProtected: c.Protection == Software,
		PrepareFinds:      true, ImportMakesKey: true, ImportMarks: true, KeepsWrappingKeys: true, WrappingKeysLast: true,
		Settle: c.Settle, Poll: c.Poll,
		Quotas: c.quotas(), Once: once(), Shared: shared(), Prices: c.prices.From, HostSuffixes: hostSuffixes(), Permissions: c.permissions(),
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
