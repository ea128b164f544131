// Package memory is the reference provider: a target in this process that
// behaves as broker.Provider promises. It really unwraps what is imported, holds
// the material, and proves it; nothing survives the process.
//
// It answers like AWS KMS by default (one version a key, an import that repeats,
// consumers by alias, native expiry), like Google's with Numbered and like Azure's
// with Newest; with other Capabilities it behaves as they say. Time passes by Config.Now alone. Material is in this process's memory, so
// it is for tests and demonstrations, never for keys that matter.
package memory

import (
	"context"
	"crypto/rsa"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/keyferry/keyferry/broker"
)

// Config is what a target is made of. WrappingKeys and Now are required.
type Config struct {
	Account      string              // "" is "memory"
	Capabilities broker.Capabilities // the zero value is Default()
	WrappingKeys []*rsa.PrivateKey   // handed out in turn
	Now          func() time.Time
	Fault        Fault            // may be nil
	Importing    func() Importing // asked at each import what becomes of it; nil: it is done at once
}

// Provider is one target. It is safe for concurrent use, also by several brokers.
type Provider struct {
	c  Config
	mu sync.Mutex
	state
}

// state is everything the target holds.
type state struct {
	made      int               // keys, ever: ids are never used again
	keys      []*key            // in the order they were made; destroyed ones stay, for Report
	consumers map[string]string // name → key id
	tokens    map[string]*wrapping
	late      []pending
	calls     int
}

var _ interface {
	broker.Provider
	broker.Identifier
} = (*Provider)(nil)

// New makes an empty target. Its errors are Misuse.
func New(c Config) (*Provider, error) {
	if len(c.WrappingKeys) == 0 || c.Now == nil {
		return nil, &broker.Error{
			Kind: broker.Misuse, Op: "make", Object: "memory target",
			Cause: errors.New("wrapping keys and a clock are required"),
		}
	}
	if c.Account == "" {
		c.Account = "memory"
	}
	if c.Capabilities.Provider == "" {
		c.Capabilities = Default()
	}
	return &Provider{c: c, state: state{consumers: map[string]string{}, tokens: map[string]*wrapping{}}}, nil
}

// Capabilities are those of the configuration.
func (p *Provider) Capabilities() broker.Capabilities { return p.c.Capabilities }

// Identify answers the configured account.
func (p *Provider) Identify(ctx context.Context) (broker.Identity, error) {
	var id broker.Identity
	err := p.read(ctx, "identify", "this target", func() error {
		id = broker.Identity{Account: p.c.Account, Principal: "tests", Receipt: p.receipt("identify")}
		return nil
	})
	return id, err
}

// receipt numbers the calls. The lock is held.
func (p *Provider) receipt(call string) broker.Receipt {
	p.calls++
	return broker.Receipt{
		Call: call, RequestID: fmt.Sprintf("memory-%d", p.calls), Endpoint: "memory", ServerTime: p.c.Now().UTC(),
	}
}

// find returns a key that is there. The lock is held.
func (p *Provider) find(id string) (*key, error) {
	i := slices.IndexFunc(p.keys, func(k *key) bool { return k.ref.ID == id && !k.destroyed })
	if i < 0 {
		return nil, fmt.Errorf("no such key: %w", broker.NotFound)
	}
	return p.keys[i], nil
}

// failed shapes an error as the promises of Provider say. What has a kind keeps it.
func failed(call, object string, err error) error {
	if err == nil {
		return nil
	}
	out := &broker.Error{Kind: broker.KindOf(err), Op: call, Object: object, Cause: err}
	if e, ok := errors.AsType[*broker.Error](err); ok {
		if e.Op != "" {
			return err
		}
		out.Cause, out.RetryAfter, out.Permission, out.Hint = e.Cause, e.RetryAfter, e.Permission, e.Hint
	}
	return out
}
