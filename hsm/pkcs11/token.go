package pkcs11

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"

	"github.com/keyferry/keyferry/broker"
)

// Config says which token, and how to get at it.
type Config struct {
	Module      string // absolute path of the vendor's module
	TokenLabel  string // label, serial, or both; together they must name one token
	TokenSerial string
	// PIN is asked when a login is due: at Open, and after the token was away. The
	// bytes are overwritten after use. A PIN that was refused is never tried again.
	PIN func(context.Context) ([]byte, error)
	// Officer logs in as the security officer, whose PIN it then is: for Trust alone. Nobody
	// else in this process may be logged in to the token.
	Officer bool
	// Sessions is the most that are open at once, and so the most calls at once; 0
	// means 16, or what the module is known to bear. One more holds the login.
	Sessions int
	// CacheDir keeps what was found by probing; "" keeps it in memory only.
	CacheDir string
	Logger   *slog.Logger // nil logs nothing
}

// Token is a broker.Token, Sealer, Anchorer, HealthChecker, Adopter, Keeper, Truster and,
// with Config.Officer, Officer, safe for concurrent use. A token that was removed and is back is logged in to again by
// the next call.
type Token struct {
	config Config
	module *module
	pool   *pool
	serial string
	log    *slog.Logger

	probing chan struct{} // capacity 1: a lock that ctx can leave
	found   *cached

	mu         sync.Mutex
	pinRefused error // what came of a PIN that was refused

	made   made
	openMu sync.Mutex
	opened map[broker.MaterialID]opened
}

var (
	_ broker.Token         = (*Token)(nil)
	_ broker.Sealer        = (*Token)(nil)
	_ broker.Anchorer      = (*Token)(nil)
	_ broker.HealthChecker = (*Token)(nil)
	_ broker.Adopter       = (*Token)(nil)
	_ broker.Keeper        = (*Token)(nil)
	_ broker.Truster       = (*Token)(nil)
	_ broker.Officer       = (*Token)(nil)
)

// Open loads the module, finds the token, and logs in, with one try. Errors are
// Misuse for a module that is none, NotFound or Conflict where not just one token
// fits, Denied for the PIN.
//
// A module is initialised once a process, and reads its own configuration then
// (SOFTHSM2_CONF and the like); logging out of a token logs out all who use it in
// this process.
func Open(ctx context.Context, c Config) (*Token, error) {
	if c.TokenLabel == "" && c.TokenSerial == "" {
		return nil, refuse(broker.Misuse, "open", "token", "neither label nor serial is given")
	}
	m, err := load(c.Module)
	if err != nil {
		return nil, err
	}
	t := &Token{config: c, module: m, log: c.Logger, probing: make(chan struct{}, 1), opened: map[broker.MaterialID]opened{}}
	if t.log == nil {
		t.log = slog.New(slog.DiscardHandler)
	}
	if err := t.connect(ctx); err != nil {
		return nil, errors.Join(err, m.finalize())
	}
	return t, nil
}

func (t *Token) connect(ctx context.Context) error {
	slot, err := findSlot(ctx, t.module, t.config.TokenLabel, t.config.TokenSerial)
	if err != nil {
		return err
	}
	t.serial = slot.token.SerialNumber
	t.pool = newPool(t.module, sessionLimit(t.config.Sessions, slot.token.ManufacturerID), t.login)
	t.pool.officer = t.config.Officer
	_, err = t.pool.connect(ctx)
	return err
}

// sessionLimit is what was asked for, or what a manufacturer's modules bear.
// SoftHSM 2.6.1 mixes up objects that are made while others are made or destroyed
// in the same process: in about one call in a hundred, with errors of many kinds.
func sessionLimit(asked int, manufacturer string) int {
	switch {
	case asked > 0:
		return asked
	case manufacturer == "SoftHSM project":
		return 1
	default:
		return 16
	}
}

// Close waits for the calls that are under way, at most until ctx ends, then logs
// out and finalises the module. Closing again does nothing.
func (t *Token) Close(ctx context.Context) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return failed("close", t.name(), errors.Join(t.pool.shut(ctx), t.module.finalize()))
}

// Info describes the token and its library.
func (t *Token) Info(ctx context.Context) (broker.TokenInfo, error) {
	var info broker.TokenInfo
	err := t.do(ctx, "describe", t.name(), func(s *session) error {
		var err error
		if info, err = t.describe(ctx); err != nil {
			return err
		}
		key, err := s.sealKey(ctx)
		if err == nil {
			info.Environment = key.environment
		}
		if errors.Is(err, broker.NotFound) {
			return nil
		}
		return err
	})
	return info, err
}

// do runs f in a session of its own and makes its error the broker's.
func (t *Token) do(ctx context.Context, op, object string, f func(*session) error) error {
	return failed(op, object, t.pool.with(ctx, f))
}

// name of the token in errors.
func (t *Token) name() string {
	return strings.TrimSpace("token " + t.config.TokenLabel + " " + t.serial)
}

// own refuses material of another token: an id alone does not say whose it is.
func (t *Token) own(op string, m broker.Material) error {
	switch {
	case m.ID == "":
		return refuse(broker.Misuse, op, m.String(), "no id is named")
	case m.ID == sealID || m.ID == healthID || strings.HasPrefix(string(m.ID), broker.KeeperPrefix):
		return refuse(broker.Misuse, op, m.String(), "it is no key material")
	case m.TokenSerial != "" && m.TokenSerial != t.serial:
		return refuse(broker.NotFound, op, m.String(), "this is token %s", t.serial)
	default:
		return nil
	}
}
