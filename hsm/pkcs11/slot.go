package pkcs11

import (
	"context"
	"fmt"
	"strings"

	"github.com/keyferry/keyferry/broker"
	p11 "github.com/miekg/pkcs11"
)

// slotInfo is a slot with a token that is ready for use.
type slotInfo struct {
	id    uint
	token p11.TokenInfo
}

// findSlot chooses the one token of that label and serial; an empty one of the
// two fits every token. A slot's position never matters: modules number slots as
// they please, and SoftHSM's list ends with an empty one.
func findSlot(ctx context.Context, m *module, label, serial string) (slotInfo, error) {
	all, err := slots(ctx, m)
	if err != nil {
		return slotInfo{}, failed("list the tokens of", m.path, err)
	}
	var fit, there []string
	var found slotInfo
	for _, s := range all {
		name := fmt.Sprintf("%q (serial %s)", s.token.Label, s.token.SerialNumber)
		there = append(there, name)
		if (label == "" || s.token.Label == label) && (serial == "" || s.token.SerialNumber == serial) {
			fit, found = append(fit, name), s
		}
	}
	switch len(fit) {
	case 1:
		return found, nil
	case 0:
		hint := "name one of these by label or serial"
		if len(there) == 0 {
			hint = "make one with the vendor's tool (SoftHSM: softhsm2-util --init-token --free --label NAME); if there is one, check that the module reads its own config (SoftHSM: SOFTHSM2_CONF)"
		}
		return slotInfo{}, &broker.Error{
			Kind: broker.NotFound, Op: "find token", Object: wanted(label, serial),
			Cause: fmt.Errorf("the module has %s", listed(there)), Hint: hint,
		}
	default:
		return slotInfo{}, &broker.Error{
			Kind: broker.Conflict, Op: "find token", Object: wanted(label, serial),
			Cause: fmt.Errorf("%d tokens fit: %s", len(fit), listed(fit)), Hint: "name the token by its serial",
		}
	}
}

// slots lists the initialised tokens. A slot whose token left between two calls
// is not among them.
func slots(ctx context.Context, m *module) ([]slotInfo, error) {
	ids, err := call(ctx, "C_GetSlotList", func() ([]uint, error) { return m.ctx.GetSlotList(true) })
	if err != nil {
		return nil, err
	}
	var all []slotInfo
	for _, id := range ids {
		info, err := call(ctx, "C_GetTokenInfo", func() (p11.TokenInfo, error) { return m.ctx.GetTokenInfo(id) })
		if is(err, p11.CKR_TOKEN_NOT_PRESENT, p11.CKR_TOKEN_NOT_RECOGNIZED, p11.CKR_SLOT_ID_INVALID, p11.CKR_DEVICE_REMOVED) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if info.Flags&p11.CKF_TOKEN_INITIALIZED != 0 {
			all = append(all, slotInfo{id: id, token: info})
		}
	}
	return all, nil
}

func wanted(label, serial string) string {
	switch {
	case serial == "":
		return fmt.Sprintf("%q", label)
	case label == "":
		return "with serial " + serial
	default:
		return fmt.Sprintf("%q with serial %s", label, serial)
	}
}

func listed(names []string) string {
	if len(names) == 0 {
		return "no token"
	}
	return strings.Join(names, ", ")
}
