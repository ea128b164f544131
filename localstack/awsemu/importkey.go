package awsemu

import (
	"cmp"
	"time"
)

// longestValidTo is how far ahead ValidTo may be.
const longestValidTo = 365 * 24 * time.Hour

// Import types.
const (
	importNew      = "NEW_KEY_MATERIAL"
	importExisting = "EXISTING_KEY_MATERIAL"
)

type importInput struct {
	KeyID                  string  `json:"KeyId"`
	ImportToken            []byte  `json:"ImportToken"`
	EncryptedKeyMaterial   []byte  `json:"EncryptedKeyMaterial"`
	ValidTo                *epoch  `json:"ValidTo"`
	ExpirationModel        string  `json:"ExpirationModel"`
	ImportType             string  `json:"ImportType"`
	KeyMaterialDescription *string `json:"KeyMaterialDescription"`
	KeyMaterialID          string  `json:"KeyMaterialId"`
}

type importOutput struct {
	KeyID         string `json:"KeyId"`
	KeyMaterialID string `json:"KeyMaterialId,omitempty"`
}

// importKeyMaterial checks shape, key, state, token, ciphertext and material, in
// this order.
func importKeyMaterial(c *call, in importInput) (any, error) {
	validTo, err := in.check(c.now)
	if err != nil {
		return nil, err
	}
	k, err := c.importable(in.KeyID)
	if err != nil {
		return nil, err
	}
	if !c.lenient() {
		err = k.in(stateEnabled, statePendingImport)
	}
	if err := cmp.Or(err, in.checkFor(k)); err != nil {
		return nil, err
	}
	token, err := c.token(in.ImportToken, k)
	if err != nil {
		return nil, err
	}
	raw, err := c.unwrapped(k, token, in.EncryptedKeyMaterial)
	if err != nil {
		return nil, refuse(codeInvalidCipher, "%v", err)
	}
	m, err := newMaterial(k.id, k.spec, raw, c.lenient())
	if err == nil {
		m, err = k.accept(m, in)
	}
	if err != nil {
		return nil, refuseMaterial(err)
	}
	in.keep(m, validTo)
	token.used = true
	c.s.noteRevealed(k, raw, in)
	return importOutput{k.arn, k.visibleID(m)}, nil
}

// check is what can be refused without looking at the key.
func (in importInput) check(now time.Time) (validTo time.Time, err error) {
	model := in.ExpirationModel
	if model == "" {
		model = modelExpires
	}
	err = cmp.Or(
		checkLength("ImportToken", len(in.ImportToken), 1, 6144),
		checkLength("EncryptedKeyMaterial", len(in.EncryptedKeyMaterial), 1, 6144),
		checkEnum("ExpirationModel", model, modelExpires, modelForever),
		in.checkMembers(),
	)
	switch {
	case err != nil:
		return time.Time{}, err
	case model == modelForever && in.ValidTo != nil:
		return time.Time{}, refuse(codeValidation, "ValidTo must not be set when ExpirationModel is %s", model)
	case model == modelForever:
		return time.Time{}, nil
	case in.ValidTo == nil:
		return time.Time{}, refuse(codeValidation, "ValidTo must be set when ExpirationModel is %s", model)
	}
	validTo, ok := in.ValidTo.time()
	if !ok || !validTo.After(now) || validTo.After(now.Add(longestValidTo)) {
		return time.Time{}, refuse(codeValidation, "ValidTo must be in the future and at most 365 days ahead")
	}
	return validTo, nil
}

func (in importInput) checkMembers() error {
	if in.ImportType != "" {
		if err := checkEnum("ImportType", in.ImportType, importNew, importExisting); err != nil {
			return err
		}
	}
	if d := in.KeyMaterialDescription; d != nil {
		if err := cmp.Or(checkLength("KeyMaterialDescription", len(*d), 0, 256), checkPattern("KeyMaterialDescription", *d, `^[a-zA-Z0-9:/_\s.-]*$`)); err != nil {
			return err
		}
	}
	if in.KeyMaterialID == "" {
		return nil
	}
	if in.ImportType == importNew {
		return refuse(codeValidation, "KeyMaterialId must not be set when ImportType is %s", importNew)
	}
	return checkMaterialID(in.KeyMaterialID)
}

func checkMaterialID(id string) error {
	return checkPattern("KeyMaterialId", id, `^[a-f0-9]{64}$`)
}

// checkFor refuses what exists for symmetric keys only.
func (in importInput) checkFor(k *key) error {
	if k.spec.class != classSymmetric && (in.ImportType != "" || in.KeyMaterialDescription != nil || in.KeyMaterialID != "") {
		return refuse(codeUnsupported, "ImportType, KeyMaterialDescription and KeyMaterialId are for symmetric encryption keys only")
	}
	return nil
}

// token finds the import token that was given out for this key.
func (c *call) token(text []byte, k *key) (*importToken, error) {
	t := c.s.store.tokens[string(text)]
	switch {
	case t == nil, t.keyArn != k.arn:
		return nil, refuse(codeInvalidToken, "The import token is not valid, or is of another key")
	case !c.now.Before(t.expires):
		return nil, refuse(codeExpiredToken, "The import token has expired")
	case t.used && !c.lenient():
		return nil, refuse(codeInvalidToken, "The import token was used: get new parameters for every import")
	}
	return t, nil
}

// keep notes what was said of the material this time.
func (in importInput) keep(m *material, validTo time.Time) {
	m.imports++
	m.model, m.validTo = modelForever, validTo
	if !validTo.IsZero() {
		m.model = modelExpires
	}
	if in.KeyMaterialDescription != nil {
		m.description = *in.KeyMaterialDescription
	}
}

// visibleID is the id that answers give, which only symmetric keys' materials have.
func (k *key) visibleID(m *material) string {
	if m == nil || k.spec.class != classSymmetric {
		return ""
	}
	return m.id
}

// refuseMaterial gives a refusal of material its code.
func refuseMaterial(err error) error {
	if e, ok := err.(*apiError); ok { //nolint:errorlint // only the bare one has a code
		return e
	}
	return refuse(codeIncorrectMat, "%v", err)
}

type deleteMaterialInput struct {
	KeyID         string `json:"KeyId"`
	KeyMaterialID string `json:"KeyMaterialId"`
}

// deleteImportedKeyMaterial needs no state. Without material it has no effect.
func deleteImportedKeyMaterial(c *call, in deleteMaterialInput) (any, error) {
	k, err := c.key(in.KeyID)
	if err != nil {
		return nil, err
	}
	if k.origin != originExternal {
		return nil, refuse(codeUnsupported, "%s origin is %s which is not valid for this operation.", k.arn, k.origin)
	}
	m := k.current()
	if in.KeyMaterialID != "" {
		if err := cmp.Or(checkMaterialID(in.KeyMaterialID), in.checkFor(k)); err != nil {
			return nil, err
		}
		if m = k.find(func(m *material) bool { return m.id == in.KeyMaterialID }); m == nil {
			return nil, refuse(codeNotFound, "Key material %s is not associated with %s", in.KeyMaterialID, k.arn)
		}
	}
	if m != nil && m.present() {
		k.forget(m)
	}
	return importOutput{k.arn, k.visibleID(m)}, nil
}

func (in deleteMaterialInput) checkFor(k *key) error {
	if k.spec.class != classSymmetric {
		return refuse(codeUnsupported, "KeyMaterialId is for symmetric encryption keys only")
	}
	return nil
}
