package awsemu

// accept decides what the material is to the key: the same again, its first, or
// new. It returns the material as the key holds it.
func (k *key) accept(m *material, in importInput) (*material, error) {
	known := k.find(m.same)
	isNew := in.ImportType == importNew || in.ImportType == "" && len(k.materials) == 0
	if k.role() == roleReplica {
		return k.acceptReplica(known, m, in)
	}
	switch {
	case in.KeyMaterialID != "" && in.KeyMaterialID != m.id:
		return nil, badMaterial("its id is not the given KeyMaterialId")
	case known != nil && isNew:
		return nil, badMaterial("it is associated with the key already, so it is not new")
	case known != nil:
		known.secret = m.secret
		return known, nil
	case !isNew, k.spec.class != classSymmetric && len(k.materials) > 0:
		return nil, badMaterial("it is not the material imported before")
	case k.pending() != nil:
		return nil, refuse(codeInvalidState, "%s has material pending rotation already", k.arn)
	case len(k.materials) > 0:
		m.state = statePending
	}
	k.materials = append(k.materials, m)
	if m.permanent() {
		k.share(m)
	}
	return m, nil
}

// acceptReplica takes what the primary has, and nothing else (API Reference,
// ImportKeyMaterial).
func (k *key) acceptReplica(known, m *material, in importInput) (*material, error) {
	theirs := k.primary().find(m.same)
	switch {
	case in.ImportType == importNew:
		return nil, refuse(codeUnsupported, "%s is a replica key: import new key material into its primary key %s", k.arn, k.primary().arn)
	case in.KeyMaterialID != "" && in.KeyMaterialID != m.id:
		return nil, badMaterial("its id is not the given KeyMaterialId")
	case known != nil:
		known.secret = m.secret
		return known, nil
	case theirs == nil:
		return nil, badMaterial("it is not material of the primary key")
	}
	m.state = theirs.state
	k.materials = append(k.materials, m)
	return m, nil
}
