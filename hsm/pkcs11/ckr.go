package pkcs11

import (
	"fmt"

	"github.com/keyferry/keyferry/broker"
	p11 "github.com/miekg/pkcs11"
)

// code is what the table knows of one CKR.
type code struct {
	name string
	// kind of error; "" where the code does not say whether anything happened: then
	// it is Unclear after a call that changes the token, and Unavailable else.
	kind broker.Kind
}

// codeOf is the one table from return values (PKCS #11 v3.1 §5.1) to kinds of
// error. Tokens answer one fault with different codes, so nothing but this table
// decides by a single one.
func codeOf(rv p11.Error) code {
	known, ok := codes[rv]
	switch {
	case ok:
		return known
	case rv >= p11.CKR_VENDOR_DEFINED:
		return code{name: fmt.Sprintf("CKR_VENDOR_DEFINED+0x%X", uint(rv-p11.CKR_VENDOR_DEFINED))}
	default:
		return code{name: fmt.Sprintf("CKR_0x%X", uint(rv))}
	}
}

// codes never changes.
var codes = map[p11.Error]code{
	0x1:   {"CKR_CANCEL", ""},
	0x2:   {"CKR_HOST_MEMORY", ""},
	0x3:   {"CKR_SLOT_ID_INVALID", broker.Unavailable},
	0x5:   {"CKR_GENERAL_ERROR", ""},
	0x6:   {"CKR_FUNCTION_FAILED", ""},
	0x7:   {"CKR_ARGUMENTS_BAD", broker.Rejected},
	0x8:   {"CKR_NO_EVENT", ""},
	0x9:   {"CKR_NEED_TO_CREATE_THREADS", broker.Unsupported},
	0xA:   {"CKR_CANT_LOCK", broker.Unsupported},
	0x10:  {"CKR_ATTRIBUTE_READ_ONLY", broker.Rejected},
	0x11:  {"CKR_ATTRIBUTE_SENSITIVE", broker.Rejected},
	0x12:  {"CKR_ATTRIBUTE_TYPE_INVALID", broker.Unsupported},
	0x13:  {"CKR_ATTRIBUTE_VALUE_INVALID", broker.Rejected},
	0x1B:  {"CKR_ACTION_PROHIBITED", broker.Rejected},
	0x20:  {"CKR_DATA_INVALID", broker.Rejected},
	0x21:  {"CKR_DATA_LEN_RANGE", broker.Rejected},
	0x30:  {"CKR_DEVICE_ERROR", ""},
	0x31:  {"CKR_DEVICE_MEMORY", broker.Rejected},
	0x32:  {"CKR_DEVICE_REMOVED", ""},
	0x40:  {"CKR_ENCRYPTED_DATA_INVALID", broker.Rejected},
	0x41:  {"CKR_ENCRYPTED_DATA_LEN_RANGE", broker.Rejected},
	0x50:  {"CKR_FUNCTION_CANCELED", ""},
	0x51:  {"CKR_FUNCTION_NOT_PARALLEL", broker.Unsupported},
	0x54:  {"CKR_FUNCTION_NOT_SUPPORTED", broker.Unsupported},
	0x60:  {"CKR_KEY_HANDLE_INVALID", broker.NotFound},
	0x62:  {"CKR_KEY_SIZE_RANGE", broker.Unsupported},
	0x63:  {"CKR_KEY_TYPE_INCONSISTENT", broker.Unsupported},
	0x64:  {"CKR_KEY_NOT_NEEDED", broker.Rejected},
	0x65:  {"CKR_KEY_CHANGED", broker.Rejected},
	0x66:  {"CKR_KEY_NEEDED", broker.Rejected},
	0x67:  {"CKR_KEY_INDIGESTIBLE", broker.Rejected},
	0x68:  {"CKR_KEY_FUNCTION_NOT_PERMITTED", broker.Rejected},
	0x69:  {"CKR_KEY_NOT_WRAPPABLE", broker.Rejected},
	0x6A:  {"CKR_KEY_UNEXTRACTABLE", broker.Rejected},
	0x70:  {"CKR_MECHANISM_INVALID", broker.Unsupported},
	0x71:  {"CKR_MECHANISM_PARAM_INVALID", broker.Unsupported},
	0x82:  {"CKR_OBJECT_HANDLE_INVALID", broker.NotFound},
	0x90:  {"CKR_OPERATION_ACTIVE", ""},
	0x91:  {"CKR_OPERATION_NOT_INITIALIZED", ""},
	0xA0:  {"CKR_PIN_INCORRECT", broker.Denied},
	0xA1:  {"CKR_PIN_INVALID", broker.Denied},
	0xA2:  {"CKR_PIN_LEN_RANGE", broker.Denied},
	0xA3:  {"CKR_PIN_EXPIRED", broker.Denied},
	0xA4:  {"CKR_PIN_LOCKED", broker.Denied},
	0xB0:  {"CKR_SESSION_CLOSED", ""},
	0xB1:  {"CKR_SESSION_COUNT", broker.Throttled},
	0xB3:  {"CKR_SESSION_HANDLE_INVALID", broker.Unavailable},
	0xB4:  {"CKR_SESSION_PARALLEL_NOT_SUPPORTED", broker.Unsupported},
	0xB5:  {"CKR_SESSION_READ_ONLY", broker.Denied},
	0xB6:  {"CKR_SESSION_EXISTS", ""},
	0xB7:  {"CKR_SESSION_READ_ONLY_EXISTS", broker.Denied},
	0xB8:  {"CKR_SESSION_READ_WRITE_SO_EXISTS", broker.Denied},
	0xC0:  {"CKR_SIGNATURE_INVALID", broker.Rejected},
	0xC1:  {"CKR_SIGNATURE_LEN_RANGE", broker.Rejected},
	0xD0:  {"CKR_TEMPLATE_INCOMPLETE", broker.Rejected},
	0xD1:  {"CKR_TEMPLATE_INCONSISTENT", broker.Rejected},
	0xE0:  {"CKR_TOKEN_NOT_PRESENT", broker.Unavailable},
	0xE1:  {"CKR_TOKEN_NOT_RECOGNIZED", broker.Unavailable},
	0xE2:  {"CKR_TOKEN_WRITE_PROTECTED", broker.Denied},
	0xF0:  {"CKR_UNWRAPPING_KEY_HANDLE_INVALID", broker.NotFound},
	0xF1:  {"CKR_UNWRAPPING_KEY_SIZE_RANGE", broker.Unsupported},
	0xF2:  {"CKR_UNWRAPPING_KEY_TYPE_INCONSISTENT", broker.Unsupported},
	0x100: {"CKR_USER_ALREADY_LOGGED_IN", ""},
	0x101: {"CKR_USER_NOT_LOGGED_IN", broker.Unavailable},
	0x102: {"CKR_USER_PIN_NOT_INITIALIZED", broker.Denied},
	0x103: {"CKR_USER_TYPE_INVALID", broker.Denied},
	0x104: {"CKR_USER_ANOTHER_ALREADY_LOGGED_IN", broker.Denied},
	0x105: {"CKR_USER_TOO_MANY_TYPES", broker.Denied},
	0x110: {"CKR_WRAPPED_KEY_INVALID", broker.Rejected},
	0x112: {"CKR_WRAPPED_KEY_LEN_RANGE", broker.Rejected},
	0x113: {"CKR_WRAPPING_KEY_HANDLE_INVALID", broker.NotFound},
	0x114: {"CKR_WRAPPING_KEY_SIZE_RANGE", broker.Unsupported},
	0x115: {"CKR_WRAPPING_KEY_TYPE_INCONSISTENT", broker.Unsupported},
	0x120: {"CKR_RANDOM_SEED_NOT_SUPPORTED", broker.Unsupported},
	0x121: {"CKR_RANDOM_NO_RNG", broker.Unsupported},
	0x130: {"CKR_DOMAIN_PARAMS_INVALID", broker.Unsupported},
	0x140: {"CKR_CURVE_NOT_SUPPORTED", broker.Unsupported},
	0x150: {"CKR_BUFFER_TOO_SMALL", broker.Rejected},
	0x160: {"CKR_SAVED_STATE_INVALID", broker.Rejected},
	0x170: {"CKR_INFORMATION_SENSITIVE", broker.Rejected},
	0x180: {"CKR_STATE_UNSAVEABLE", broker.Rejected},
	0x190: {"CKR_CRYPTOKI_NOT_INITIALIZED", broker.Unavailable},
	0x191: {"CKR_CRYPTOKI_ALREADY_INITIALIZED", ""},
	0x1A0: {"CKR_MUTEX_BAD", ""},
	0x1A1: {"CKR_MUTEX_NOT_LOCKED", ""},
	0x1B0: {"CKR_NEW_PIN_MODE", broker.Denied},
	0x1B1: {"CKR_NEXT_OTP", broker.Denied},
	0x1B5: {"CKR_EXCEEDED_MAX_ITERATIONS", broker.Rejected},
	0x1B6: {"CKR_FIPS_SELF_TEST_FAILED", broker.Unavailable},
	0x1B7: {"CKR_LIBRARY_LOAD_FAILED", broker.Unavailable},
	0x1B8: {"CKR_PIN_TOO_WEAK", broker.Denied},
	0x1B9: {"CKR_PUBLIC_KEY_INVALID", broker.Rejected},
	0x200: {"CKR_FUNCTION_REJECTED", broker.Denied},
	0x201: {"CKR_TOKEN_RESOURCE_EXCEEDED", broker.Rejected},
	0x202: {"CKR_OPERATION_CANCEL_FAILED", ""},
	0x203: {"CKR_KEY_EXHAUSTED", broker.Rejected},
}
