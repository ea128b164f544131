package memory

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"fmt"
	"slices"
	"time"

	"github.com/keyferry/keyferry/broker"
)

// wrapping is a wrapping key that was handed out under a token.
type wrapping struct {
	key        *rsa.PrivateKey
	ref        string // its own id, where it serves many imports
	holder     string // the key it was issued for; "" any
	mechanism  broker.Mechanism
	begins     time.Time
	expires    time.Time // zero: never
	disabled   bool
	operations []string
	used       bool
}

// WrappingKey hands out the next of the configured keys: for 24 hours and one import;
// where imports are listed by what they came under, for all of them and three days;
// and where they are kept, for 30 days.
func (p *Provider) WrappingKey(ctx context.Context, _ broker.Effect, in broker.WrappingKeyIn) (broker.WrappingKey, error) {
	var out broker.WrappingKey
	call, get := p.read, p.issue
	switch caps := p.c.Capabilities; {
	case caps.KeepsWrappingKeys && in.Kept == "":
		call, get = p.change, p.makeKept
	case caps.KeepsWrappingKeys:
		get = p.fetchKept
	case caps.ImportLists:
		get = p.share
	}
	err := call(ctx, "wrapping-key", in.Key.ID, func() error {
		token, w, err := get(in)
		if err == nil {
			out, err = w.handOut(token, p.receipt("wrapping-key"))
			if p.c.Capabilities.KeepsWrappingKeys {
				out.Ref = w.ref
			}
		}
		return err
	})
	if err != nil {
		return broker.WrappingKey{}, err
	}
	return out, nil
}

func (w *wrapping) handOut(token string, receipt broker.Receipt) (broker.WrappingKey, error) {
	der, err := x509.MarshalPKIXPublicKey(&w.key.PublicKey)
	if err != nil {
		return broker.WrappingKey{}, fmt.Errorf("encode wrapping key: %w", err)
	}
	out := broker.WrappingKey{
		PublicKey: der, Token: []byte(token), Mechanism: w.mechanism, ExpiresAt: w.expires,
		SingleUse: w.ref == "", Source: w.holder, Receipt: receipt,
	}
	if w.ref != "" {
		out.Source = w.ref
	}
	return out, nil
}

// issue makes one for a single import.
func (p *Provider) issue(in broker.WrappingKeyIn) (string, *wrapping, error) {
	if err := p.wrapsFor(in); err != nil {
		return "", nil, err
	}
	token := make([]byte, 32)
	rand.Read(token)
	w := p.nextWrapping(in.Mechanism, day)
	w.holder = in.Key.ID
	return p.hold(string(token), w), w, nil
}

// share finds, or makes, the one of the mechanism that serves all imports.
func (p *Provider) share(in broker.WrappingKeyIn) (string, *wrapping, error) {
	if err := p.wrapsFor(in); err != nil {
		return "", nil, err
	}
	for token, w := range p.tokens {
		if w.mechanism == in.Mechanism && w.expires.Sub(p.c.Now()) > day {
			return token, w, nil
		}
	}
	w := p.nextWrapping(in.Mechanism, 3*day)
	w.ref = fmt.Sprintf("memory:%s:batch/%d", p.c.Account, len(p.tokens)+1)
	return p.hold(w.ref, w), w, nil
}

// wrapsFor refuses a key that takes no material, or not by this mechanism.
func (p *Provider) wrapsFor(in broker.WrappingKeyIn) error {
	k, err := p.find(in.Key.ID)
	if err != nil {
		return err
	}
	if err := k.importable(); err != nil {
		return err
	}
	if !slices.Contains(p.c.Capabilities.Specs[k.in.Spec].Mechanisms, in.Mechanism) {
		return fmt.Errorf("%s is not for %s: %w", in.Mechanism, k.in.Spec, broker.Unsupported)
	}
	return nil
}

func (p *Provider) nextWrapping(m broker.Mechanism, life time.Duration) *wrapping {
	return &wrapping{
		key: p.c.WrappingKeys[len(p.tokens)%len(p.c.WrappingKeys)], mechanism: m, expires: p.c.Now().UTC().Add(life), operations: importOnly(),
	}
}

func (p *Provider) hold(token string, w *wrapping) string {
	p.tokens[token] = w
	return token
}

// redeem finds what the import token was issued for.
func (p *Provider) redeem(in broker.ImportIn) (*wrapping, error) {
	w, ok := p.tokens[string(in.Token)]
	switch {
	case !ok || w.mechanism != in.Mechanism || w.holder != "" && w.holder != in.Key.ID:
		return nil, fmt.Errorf("the import token is not for this key and mechanism: %w", broker.Rejected)
	case w.used && w.ref == "":
		return nil, fmt.Errorf("the import token was used before: %w", broker.Rejected)
	default:
		return w, w.usable(p.c.Now())
	}
}
