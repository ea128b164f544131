package gcpkms

import (
	"fmt"
	"hash/crc32"

	"google.golang.org/protobuf/types/known/wrapperspb"
)

// castagnoli is the polynomial of every checksum of the API.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// checksum is CRC32C as the API carries it.
func checksum(data []byte) *wrapperspb.Int64Value {
	return wrapperspb.Int64(int64(crc32.Checksum(data, castagnoli)))
}

// intact refuses an answer that was damaged on the way: what we sent was not verified
// there, or what came does not have the checksum that came with it. Proofs are reads,
// so it is Unavailable.
func intact(c call, verified bool, data []byte, sum *wrapperspb.Int64Value) error {
	switch {
	case !verified:
		return unusable(c, fmt.Errorf("the checksum of what was sent did not arrive"))
	case sum == nil:
		return incomplete(c, "checksum")
	case sum.GetValue() != checksum(data).GetValue():
		return unusable(c, fmt.Errorf("what came has another checksum than it came with"))
	}
	return nil
}
