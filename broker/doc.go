// Package broker is the product: its domain, its decisions, and the interfaces
// it needs of tokens, providers and the store. It imports only the standard
// library; everything that talks to a machine is handed to it.
//
// One import is a straight line of ten steps, written as one in import.go:
//
//	 1 choose    target's mechanisms ∩ token's probed plans
//	 2 begin     the operation is on record before anything happens
//	 3 generate  key material is born in the token
//	 4 prepare   the provider's empty key that will hold it
//	 5 fetch     wrapping key and import token, checked
//	 6 wrap      inside the token
//	 7 import    wrapped material to the provider
//	 8 prove     both sides answer a challenge
//	 9 activate  what consumers use now points at it
//	10 finish    version, placement and sealed audit head in one transaction
//
// Killed at any instruction and started again, the line looks at what is there
// and goes on; where what it sees allows two readings it stops as undecided and
// leaves the choice to a person.
package broker
