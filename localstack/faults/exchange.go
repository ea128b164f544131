package faults

import "net/http"

// Exchange is one request as an emulator understood it, not yet performed.
type Exchange struct {
	Call   Call
	Commit func() Answer        // performs it; called at most once, perhaps after the client has gone
	Refuse func(Refusal) Answer // an error in the service's own shape
	Lie    func(Answer) Answer  // a false answer made from the true one
}

// Refusal is an error that a rule asks for.
type Refusal struct {
	Kind    Kind   // Fail, Throttle, Deny or Expire
	Code    string // Fail only
	Status  int    // Fail only; 0 is the one that fits the code
	Message string // "" is the service's own words
}

// Answer is a whole response.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
	Code   string // the error code it carries; "" is success
}
