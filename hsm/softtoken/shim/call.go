package shim

import "slices"

// Call is one call of the module. It never has a PIN or anything else that passes through the call.
type Call struct {
	Seq         int    // from 1, in the order in which the calls began
	PID         int    // the process that called
	Function    string // C_WrapKey
	Slot        uint   // where the function takes one
	Session     uint   // where the function takes one
	Mechanism   uint   // CKM_…, or NoMechanism
	Extra       uint   // C_Login: the user type; C_OpenSession: its flags; C_GetSlotList: 1 when only slots with a token are wanted
	Sizing      bool   // asks only how long the result is, as Go's binding does before each C_WrapKey and C_Sign
	TokenObject bool   // makes an object that stays, by CKA_TOKEN in a template
	Forwarded   bool   // the real module has been or is being called
	Real        uint   // what the real module answered, once it did
	Result      uint   // what the caller was given, once Done
	Done        bool   // false: still on its way, or its process died

	inside bool   // the real module is at it, or will be: nothing holds it
	first  uint64 // what its first argument is: slot, session, or neither
}

// NoMechanism is the mechanism of a call that takes none. (CKM 0 is RSA key generation.)
const NoMechanism = ^uint(0)

func (c *Call) takes(what uint64) bool { return c.first == what }

func (c *Call) isOneOf(functions []string) bool {
	return len(functions) == 0 || slices.Contains(functions, c.Function)
}
