package shim

// Condition is what is wrong with the token, as long as it is set. Each holds for every process that has the module loaded.
type Condition struct {
	MaxSessions    int  // sessions that one process may have open; one more is CKR_SESSION_COUNT; shown in CK_TOKEN_INFO. 0: as the real module
	PINLocked      bool // C_Login of the user: CKR_PIN_LOCKED; shown in CK_TOKEN_INFO
	PINIncorrect   bool // C_Login: CKR_PIN_INCORRECT; shown in CK_TOKEN_INFO as a low count
	WriteProtected bool // no session that may write, no object that stays: CKR_TOKEN_WRITE_PROTECTED; shown in CK_TOKEN_INFO
	Full           bool // no object that stays: CKR_DEVICE_MEMORY. Session objects are still made
	// Removed takes every token out of its slot: CKR_TOKEN_NOT_PRESENT by slot, CKR_DEVICE_REMOVED by session. Put back, it has
	// no sessions and nobody logged in: old handles are CKR_SESSION_HANDLE_INVALID.
	Removed bool
	OneStep OneStep
}

// OneStep is how the token does CKM_RSA_AES_KEY_WRAP, which neither SoftHSM nor Kryoptic has, as its C_WrapKey.
// The real module does both steps; what it cannot do (OAEP with SHA-256 on SoftHSM) fails as there.
type OneStep int

// The ways there are. The numbers are those of c/control.h.
const (
	OneStepAbsent OneStep = iota // the real module's own answer
	// OAEP(E) || KWP(E, key) as asked, and a key that is WRAP_WITH_TRUSTED under a TRUSTED wrapping key alone. Such a key takes a
	// login of the security officer since it is set: what stands for the token's own inside then is made by him.
	OneStepRight
	OneStepIgnoresHash // OAEP with SHA-1 whatever is asked, as SoftHSM 2.7.0 does
	OneStepPlainWrap   // RFC 3394 where RFC 5649 is due
	OneStepGarbles     // the last bit is wrong
)

// CKR_… of PKCS#11 v2.40 that conditions answer.
const (
	ckrDeviceMemory        = 0x31
	ckrDeviceRemoved       = 0x32
	ckrPINIncorrect        = 0xA0
	ckrPINLocked           = 0xA4
	ckrSessionCount        = 0xB1
	ckrTokenNotPresent     = 0xE0
	ckrTokenWriteProtected = 0xE2
)

// CKF_… and CKU_… that it needs.
const (
	ckfTokenPresent    = 0x1 // CK_SLOT_INFO
	ckfWriteProtected  = 0x2 // CK_TOKEN_INFO
	ckfUserPINCountLow = 0x10000
	ckfUserPINLocked   = 0x40000
	ckfRWSession       = 0x2 // C_OpenSession
	ckuUser            = 1
)

// verdict says what becomes of c: open is how many sessions its process has.
func (k Condition) verdict(c *Call, open int) verdict {
	if k.Removed {
		return removed(c)
	}
	v := verdict{OneStep: uint64(k.OneStep)} //nolint:gosec // a small constant
	switch {
	case c.Function == "C_OpenSession" && k.WriteProtected && c.Extra&ckfRWSession != 0:
		return answer(ckrTokenWriteProtected)
	case c.Function == "C_OpenSession" && k.MaxSessions > 0 && open >= k.MaxSessions:
		return answer(ckrSessionCount)
	case c.Function == "C_Login" && k.PINLocked && c.Extra == ckuUser:
		return answer(ckrPINLocked)
	case c.Function == "C_Login" && k.PINIncorrect:
		return answer(ckrPINIncorrect)
	case c.TokenObject && k.WriteProtected:
		return answer(ckrTokenWriteProtected)
	case c.TokenObject && k.Full:
		return answer(ckrDeviceMemory)
	case c.Function == "C_GetTokenInfo":
		v.Set, v.MaxSessions = k.tokenFlags(), uint64(k.MaxSessions) //nolint:gosec // not negative where it is looked at
	}
	return v
}

func (k Condition) tokenFlags() uint64 {
	var flags uint64
	for flag, on := range map[uint64]bool{
		ckfWriteProtected: k.WriteProtected, ckfUserPINLocked: k.PINLocked, ckfUserPINCountLow: k.PINIncorrect,
	} {
		if on {
			flags |= flag
		}
	}
	return flags
}

// removed answers c while there is no token. What concerns the library and not a token goes on.
func removed(c *Call) verdict {
	switch {
	case c.Function == "C_GetSlotList" && c.Extra == 1:
		return verdict{Empty: 1}
	case c.Function == "C_GetSlotInfo":
		return verdict{Clear: ckfTokenPresent}
	case c.takes(slot):
		return answer(ckrTokenNotPresent)
	case c.takes(session):
		return answer(ckrDeviceRemoved)
	default:
		return verdict{}
	}
}

func answer(ckr uint64) verdict { return verdict{Action: answered, Result: ckr} }
