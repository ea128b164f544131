package main

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1" //nolint:gosec // a token's only OAEP may be with SHA-1
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/hsm/pkcs11"
	"github.com/keyferry/keyferry/providers/awskms"
)

// works are the token and the cloud, open.
type works struct {
	ask
	token   *pkcs11.Token
	cloud   *awskms.Provider
	plan    broker.Plan
	own     broker.CheckedWrappingKey // a wrapping key of this host, for the token's rate alone
	proving bool                      // by importing again
}

func now() time.Time { return time.Now() } //nolint:forbidigo // a benchmark's clock

func open(ctx context.Context, a ask) (*works, error) {
	w := &works{ask: a}
	var err error
	w.token, err = pkcs11.Open(ctx, pkcs11.Config{
		Module: a.Module, TokenLabel: a.Label, CacheDir: a.Cache,
		PIN: func(context.Context) ([]byte, error) { return os.ReadFile(a.PINFile) },
	})
	if err != nil {
		return nil, fmt.Errorf("open the token: %w", err)
	}
	w.cloud, err = awskms.Open(ctx, awskms.Config{
		Account: a.Account, Region: a.Region, Endpoint: a.URL, CAFile: a.CAFile, WrappingKeyBits: a.Bits,
		Settle: time.Second, Poll: time.Second, Now: now,
	})
	if err != nil {
		return nil, fmt.Errorf("open the cloud: %w", err)
	}
	if err := w.choose(ctx); err != nil {
		return nil, err
	}
	return w, w.ownKey()
}

func (w *works) close(ctx context.Context) {
	w.cloud.Close()
	_ = w.token.Close(ctx) // all was said
}

// choose takes the way that keyferry takes.
func (w *works) choose(ctx context.Context) error {
	plans, err := w.token.Plans(ctx)
	if err != nil {
		return fmt.Errorf("probe the token: %w", err)
	}
	spec := w.cloud.Capabilities().Specs[broker.KeySpec(w.Spec)]
	w.proving = spec.Proof[broker.Encrypt] == broker.ProofReimport
	for _, m := range spec.Mechanisms {
		for _, p := range plans {
			if p.Mechanism == m && p.Spec == broker.KeySpec(w.Spec) && p.Works && p.Conforming {
				w.plan = p
				return nil
			}
		}
	}
	return errors.New("the token cannot wrap that")
}

// ownKey is made here, and nothing but throwaway keys is wrapped under it.
func (w *works) ownKey() error {
	key, err := rsa.GenerateKey(rand.Reader, w.Bits)
	if err != nil {
		return fmt.Errorf("make a wrapping key: %w", err)
	}
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return fmt.Errorf("encode a wrapping key: %w", err)
	}
	w.own, err = w.checked(broker.WrappingKey{PublicKey: der, Mechanism: w.plan.Mechanism, ExpiresAt: now().Add(time.Hour), Source: "bench"})
	return err
}

func (w *works) checked(k broker.WrappingKey) (broker.CheckedWrappingKey, error) {
	return broker.CheckWrappingKey(k, w.plan, broker.WrappingKeyPolicy{MinBits: w.Bits}, now())
}

// generated is a key in the token.
func (w *works) generated(ctx context.Context, i int, session bool) (broker.Material, error) {
	id := fmt.Sprintf("%s-%d", w.Prefix, i)
	return w.token.Generate(ctx, broker.GenerateIn{
		ID: broker.MaterialID(id), Label: id, Spec: broker.KeySpec(w.Spec), Usage: broker.Usage{Session: session},
		Sole: func() bool { return true },
	})
}

// sealed is the token's part of an import alone: a key made, kept, and wrapped.
func (w *works) sealed(ctx context.Context, i int) error {
	m, err := w.generated(ctx, i, false)
	if err != nil {
		return err
	}
	_, err = w.token.Wrap(ctx, m, w.own)
	return err
}

// kept is the same where the token keeps nothing: a key made, wrapped under a key of the token, and ended.
func (w *works) kept(ctx context.Context, i int) error {
	const keeper = broker.KeeperID(broker.KeeperPrefix + "bench")
	if i == 0 {
		if err := w.token.MakeKeeper(ctx, keeper); err != nil {
			return err
		}
	}
	m, err := w.generated(ctx, i, true)
	if err != nil {
		return err
	}
	if _, err := w.token.Keep(ctx, m, keeper); err != nil {
		return err
	}
	if _, err := w.token.Wrap(ctx, m, w.own); err != nil {
		return err
	}
	return w.token.Release(ctx, m.ID)
}

// onHost is material that never was in a token, for the cloud's rate alone.
func (w *works) onHost(k broker.WrappingKey) ([]byte, error) {
	pub, err := x509.ParsePKIXPublicKey(k.PublicKey)
	if err != nil {
		return nil, err
	}
	key, ok := pub.(*rsa.PublicKey)
	if !ok {
		return nil, fmt.Errorf("%T wraps nothing", pub)
	}
	material := make([]byte, 32)
	rand.Read(material)
	if w.plan.Mechanism == "rsa-oaep-sha1" {
		return rsa.EncryptOAEP(sha1.New(), rand.Reader, key, material, nil) //nolint:gosec // as the token would
	}
	return rsa.EncryptOAEP(sha256.New(), rand.Reader, key, material, nil)
}
