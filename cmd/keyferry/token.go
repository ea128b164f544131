package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/broker/config"
	"github.com/keyferry/keyferry/broker/ownfile"
	"github.com/keyferry/keyferry/hsm/pkcs11"
)

// tokenOpener opens the configured token; the function it returns lets go of it.
type tokenOpener func(ctx context.Context, o tokenOptions) (broker.Token, func(context.Context) error, error)

type tokenOptions struct {
	config.Token
	pin     func(context.Context) ([]byte, error)
	officer bool // the security officer logs in, and not the user
	log     *slog.Logger
}

// openPKCS11 opens a token through the vendor's module, whose code sees the PIN: it is
// not run where others could have changed it.
func openPKCS11(ctx context.Context, o tokenOptions) (broker.Token, func(context.Context) error, error) {
	if err := ownfile.Code("PKCS #11 module", string(o.Module)); err != nil && !errors.Is(err, broker.NotFound) {
		return nil, nil, err
	}
	token, err := pkcs11.Open(ctx, pkcs11.Config{
		Module: string(o.Module), TokenLabel: o.Label, TokenSerial: o.Serial, PIN: o.pin,
		Officer: o.officer, Sessions: o.Sessions, CacheDir: cacheDir(o.Token), Logger: o.log,
	})
	if err != nil {
		return nil, nil, err
	}
	return token, token.Close, nil
}

// cacheDir is where probe results are kept: as configured, else in the user's
// cache directory; without one they are not kept.
func cacheDir(t config.Token) string {
	if t.Cache != "" {
		return string(t.Cache)
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return ""
	}
	return filepath.Join(dir, "keyferry")
}

// tokenPins is what the token's enrolment holds the config to.
func tokenPins(t config.Token) map[string]string {
	return map[string]string{
		"module": string(t.Module), "label": t.Label, "serial": t.Serial, "environment": t.Environment,
	}
}
