package awsemu

import (
	"fmt"
	"strconv"
)

// maxRotations is how often a key can be rotated on demand (API Reference).
const maxRotations = 25

// rotateKeyOnDemand makes the pending material current, after the configured delay.
func rotateKeyOnDemand(c *call, in keyInput) (any, error) {
	k, err := c.key(in.KeyID)
	if err != nil {
		return nil, err
	}
	switch {
	case k.spec.class != classSymmetric || k.origin != originExternal:
		return nil, refuse(codeUnsupported, "the emulator rotates symmetric keys of origin EXTERNAL only, not %s", k.arn)
	case k.role() == roleReplica:
		return nil, refuse(codeUnsupported, "%s is a replica key: rotate its primary key %s", k.arn, k.primary().arn)
	case k.usable() != nil:
		return nil, k.usable()
	case !k.rotateAt.IsZero():
		return nil, refuse(codeConflict, "A rotation of %s is in progress", k.arn)
	case k.pending() == nil:
		return nil, refuse(codeInvalidState, "%s has no key material that is pending rotation", k.arn)
	case !k.everywhere(k.pending()):
		return nil, refuse(codeInvalidState, "%s has replica keys without the key material that is pending rotation", k.arn)
	case k.rotations >= maxRotations:
		return nil, refuse(codeLimit, "%s was rotated on demand %d times, which is the most", k.arn, maxRotations)
	}
	k.rotations++
	k.rotateAt = c.now.Add(c.settings().RotationDelay.Duration())
	return keyIDOutput{k.id}, nil
}

type listRotationsInput struct {
	KeyID              string  `json:"KeyId"`
	IncludeKeyMaterial string  `json:"IncludeKeyMaterial"`
	Limit              *int    `json:"Limit"`
	Marker             *string `json:"Marker"`
}

type rotationEntry struct {
	KeyID                  string `json:"KeyId"`
	KeyMaterialID          string `json:"KeyMaterialId"`
	KeyMaterialDescription string `json:"KeyMaterialDescription,omitempty"`
	ImportState            string `json:"ImportState,omitempty"`
	KeyMaterialState       string `json:"KeyMaterialState"`
	ExpirationModel        string `json:"ExpirationModel,omitempty"`
	ValidTo                *epoch `json:"ValidTo,omitempty"`
	RotationDate           *epoch `json:"RotationDate,omitempty"`
	RotationType           string `json:"RotationType,omitempty"`
}

type listRotationsOutput struct {
	Rotations []rotationEntry `json:"Rotations"`
	pageOutput
}

// listKeyRotations hides the first and pending material unless all is asked for.
func listKeyRotations(c *call, in listRotationsInput) (any, error) {
	if in.IncludeKeyMaterial == "" {
		in.IncludeKeyMaterial = "ROTATIONS_ONLY"
	}
	if err := checkEnum("IncludeKeyMaterial", in.IncludeKeyMaterial, "ROTATIONS_ONLY", "ALL_KEY_MATERIAL"); err != nil {
		return nil, err
	}
	k, err := c.key(in.KeyID)
	if err != nil {
		return nil, err
	}
	if k.spec.class != classSymmetric {
		return nil, refuse(codeUnsupported, "%s is not a symmetric encryption key", k.arn)
	}
	var places []string
	for i, m := range k.materials {
		if in.IncludeKeyMaterial == "ALL_KEY_MATERIAL" || !m.rotatedAt.IsZero() {
			places = append(places, fmt.Sprintf("%06d", i))
		}
	}
	places, end, err := c.page(places, in.Limit, in.Marker, limits{100, 1000})
	if err != nil {
		return nil, err
	}
	out := listRotationsOutput{Rotations: []rotationEntry{}, pageOutput: end}
	for _, p := range places {
		i, err := strconv.Atoi(p)
		if err != nil {
			return nil, err
		}
		out.Rotations = append(out.Rotations, k.rotation(k.materials[i]))
	}
	return out, nil
}

func (k *key) rotation(m *material) rotationEntry {
	e := rotationEntry{
		KeyID: k.id, KeyMaterialID: m.id, KeyMaterialDescription: m.description, KeyMaterialState: k.materialState(m), RotationDate: toEpoch(m.rotatedAt),
	}
	if k.origin == originExternal {
		e.ImportState = "PENDING_IMPORT"
		if m.present() {
			e.ImportState, e.ExpirationModel, e.ValidTo = "IMPORTED", m.model, toEpoch(m.validTo)
		}
	}
	if e.RotationDate != nil {
		e.RotationType = "ON_DEMAND"
	}
	return e
}

// materialState is the state as answers give it: new material of a multi-Region key
// waits for its replicas first.
func (k *key) materialState(m *material) string {
	if m.state == statePending && !k.everywhere(m) {
		return statePendingEverywhere
	}
	return m.state
}
