package gcpemu

import (
	"encoding/pem"
	"hash/crc32"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

func pemOf(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

// publicPEM is a SubjectPublicKeyInfo with the newline at the end that Google gives.
func publicPEM(spki []byte) string { return string(pemOf("PUBLIC KEY", spki)) }

// castagnoli is CRC-32C.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func crc(b []byte) *wrapperspb.Int64Value {
	return wrapperspb.Int64(int64(crc32.Checksum(b, castagnoli)))
}

// checksum holds a field against the checksum that came with it. verified is whether
// one came.
func checksum(field string, b []byte, sum *wrapperspb.Int64Value) (verified bool, err error) {
	if sum != nil && sum.GetValue() != crc(b).GetValue() {
		return false, refuse(codes.InvalidArgument, "The checksum in field %s_crc32c did not match the data in field %s.", field, field)
	}
	return sum != nil, nil
}
