package pkcs11

import (
	"testing"

	p11 "github.com/miekg/pkcs11"
)

// Only an answer that says no shows that a token holds a key back; a fault shows nothing.
func TestAFaultIsNoRefusal(t *testing.T) {
	t.Parallel()
	for code, want := range map[p11.Error]bool{
		p11.CKR_KEY_NOT_WRAPPABLE: true, p11.CKR_WRAPPING_KEY_HANDLE_INVALID: true, p11.CKR_ATTRIBUTE_READ_ONLY: true,
		p11.CKR_ATTRIBUTE_TYPE_INVALID: true, p11.CKR_ACTION_PROHIBITED: true, p11.CKR_USER_NOT_LOGGED_IN: true,
		p11.CKR_DEVICE_ERROR: false, p11.CKR_GENERAL_ERROR: false, p11.CKR_HOST_MEMORY: false, p11.CKR_FUNCTION_FAILED: false,
		p11.CKR_SESSION_COUNT: false, p11.CKR_DEVICE_REMOVED: false,
	} {
		if got := refused(named("C_WrapKey", false, code)); got != want {
			t.Errorf("%v is taken for a refusal: %v", code, got)
		}
	}
}
