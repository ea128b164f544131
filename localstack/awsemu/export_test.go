package awsemu

// What fuzz targets and vectors reach past the wire.

// UnwrapKWP is unwrapKWP.
func UnwrapKWP(kek, wrapped []byte) ([]byte, error) { return unwrapKWP(kek, wrapped) }

// ParseMaterial is what an import does with unwrapped bytes; it returns the DER
// SubjectPublicKeyInfo of pairs.
func ParseMaterial(spec string, raw []byte) ([]byte, error) {
	s, _ := findSpec(spec)
	m, err := newMaterial("key", s, raw, false)
	if err != nil || m.secret.pair == nil {
		return nil, err
	}
	return m.secret.pair.spki, nil
}
