package emu

import "math/big"

// Tags of X.690 that private keys are made of.
const (
	tagInteger     = 0x02
	tagBitString   = 0x03
	tagOctetString = 0x04
	tagNull        = 0x05
	tagOID         = 0x06
	tagSequence    = 0x30
	tagContext0    = 0xa0
	tagContext1    = 0xa1
)

// der is what is left to read of a DER encoding (X.690). The standard library
// tolerates bytes after the last element of a sequence; this reader does not
// hide them.
type der []byte

// next reads an element with this tag and a minimal, definite length.
func (d *der) next(tag byte) (content der, ok bool) {
	b := *d
	if len(b) < 2 || b[0] != tag {
		return nil, false
	}
	size, head := int(b[1]), 2
	if size >= 0x80 {
		octets := size & 0x7f
		if octets == 0 || octets > 3 || len(b) < 2+octets || b[2] == 0 {
			return nil, false
		}
		size, head = 0, 2+octets
		for _, o := range b[2:head] {
			size = size<<8 | int(o)
		}
		if size < 0x80 {
			return nil, false
		}
	}
	if len(b)-head < size {
		return nil, false
	}
	*d = b[head+size:]
	return b[head : head+size], true
}

// optional reads an element if the next one has this tag.
func (d *der) optional(tag byte) (content der, present, ok bool) {
	if len(*d) == 0 || (*d)[0] != tag {
		return nil, false, true
	}
	content, ok = d.next(tag)
	return content, ok, ok
}

// integer reads a minimal INTEGER that is not negative.
func (d *der) integer() (*big.Int, bool) {
	b, ok := d.next(tagInteger)
	switch {
	case !ok, len(b) == 0, b[0] >= 0x80, len(b) > 1 && b[0] == 0 && b[1] < 0x80:
		return nil, false
	}
	return new(big.Int).SetBytes(b), true
}

// small reads an INTEGER that must have this value.
func (d *der) small(want int64) bool {
	got, ok := d.integer()
	return ok && got.IsInt64() && got.Int64() == want
}
