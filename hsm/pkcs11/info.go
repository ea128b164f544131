package pkcs11

import (
	"context"
	"fmt"
	"strings"

	"github.com/keyferry/keyferry/broker"
	p11 "github.com/miekg/pkcs11"
)

// describe reads CK_TOKEN_INFO and CK_INFO. The environment is not in them.
func (t *Token) describe(ctx context.Context) (broker.TokenInfo, error) {
	slot := t.pool.slotID()
	token, err := call(ctx, "C_GetTokenInfo", func() (p11.TokenInfo, error) { return t.module.ctx.GetTokenInfo(slot) })
	if err != nil {
		return broker.TokenInfo{}, err
	}
	lib, err := call(ctx, "C_GetInfo", func() (p11.Info, error) { return t.module.ctx.GetInfo() })
	if err != nil {
		return broker.TokenInfo{}, err
	}
	return broker.TokenInfo{
		Label: token.Label, Serial: token.SerialNumber, Manufacturer: token.ManufacturerID, Model: token.Model,
		Firmware: version(token.FirmwareVersion),
		Library:  strings.TrimSpace(lib.LibraryDescription + " " + version(lib.LibraryVersion)),
	}, nil
}

func version(v p11.Version) string { return fmt.Sprintf("%d.%d", v.Major, v.Minor) }
