package memory_test

import (
	"testing"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/providers/memory"
	"github.com/keyferry/keyferry/providers/memory/memorytest"
	"github.com/keyferry/keyferry/providers/providertest"
)

func TestLikeAWS(t *testing.T) {
	t.Parallel()
	providertest.Run(t, providertest.Setup{Open: memorytest.Open(memory.Default), Lacks: memorytest.Lacks()})
}

func TestLikeGoogle(t *testing.T) {
	t.Parallel()
	providertest.Run(t, providertest.Setup{
		Open: memorytest.Open(memory.Numbered), Lacks: memorytest.Lacks(),
		Deviations: map[string]string{
			"a disabled version shows its public key, and is not used": "it behaves like Google, which shows that of enabled versions alone",
		},
	})
}

func TestLikeAzure(t *testing.T) {
	t.Parallel()
	providertest.Run(t, providertest.Setup{Open: memorytest.Open(memory.Newest), Lacks: memorytest.Lacks()})
}

// TestPrepareFinds is a target that finds a key by its mark, with Ed25519.
func TestPrepareFinds(t *testing.T) {
	t.Parallel()
	providertest.Run(t, providertest.Setup{Lacks: memorytest.Lacks(), Open: memorytest.Open(func() broker.Capabilities {
		c := memory.Default()
		c.PrepareFinds = true
		c.Specs[broker.Ed25519] = broker.SpecCapability{
			Mechanisms: []broker.Mechanism{broker.KWPSHA256}, Purposes: broker.Ed25519.Purposes(),
			Proof: map[broker.Purpose]broker.ProofLevel{broker.Sign: broker.ProofPublicKey}, ImportRepeats: true,
		}
		return c
	})})
}

func TestNoNativeExpiry(t *testing.T) {
	t.Parallel()
	providertest.Run(t, providertest.Setup{Lacks: memorytest.Lacks(), Open: memorytest.Open(func() broker.Capabilities {
		c := memory.Default()
		c.ValidTo = broker.ValidToRule{}
		return c
	})})
}
