package awsemu

import (
	"encoding/json"
	"math"
	"time"
)

// epoch is a time as the JSON protocol writes it: a number of seconds since 1970,
// perhaps with a fraction.
type epoch float64

func toEpoch(t time.Time) *epoch {
	if t.IsZero() {
		return nil
	}
	e := epoch(float64(t.UnixMilli()) / 1e3)
	return &e
}

// time is e as a time; false if e is none.
func (e epoch) time() (time.Time, bool) {
	if math.IsNaN(float64(e)) || math.Abs(float64(e)) > 1e11 {
		return time.Time{}, false
	}
	return time.UnixMilli(int64(math.Round(float64(e) * 1e3))).UTC(), true
}

// metadata is KeyMetadata of the API.
type metadata struct {
	AWSAccountID          string   `json:"AWSAccountId"`
	KeyID                 string   `json:"KeyId"`
	Arn                   string   `json:"Arn"`
	CreationDate          *epoch   `json:"CreationDate"`
	Enabled               bool     `json:"Enabled"`
	Description           string   `json:"Description"`
	KeyUsage              string   `json:"KeyUsage"`
	KeyState              string   `json:"KeyState"`
	DeletionDate          *epoch   `json:"DeletionDate,omitempty"`
	ValidTo               *epoch   `json:"ValidTo,omitempty"`
	Origin                string   `json:"Origin"`
	ExpirationModel       string   `json:"ExpirationModel,omitempty"`
	KeyManager            string   `json:"KeyManager"`
	CustomerMasterKeySpec string   `json:"CustomerMasterKeySpec"`
	KeySpec               string   `json:"KeySpec"`
	EncryptionAlgorithms  []string `json:"EncryptionAlgorithms,omitempty"`
	SigningAlgorithms     []string `json:"SigningAlgorithms,omitempty"`
	KeyAgreementAlgs      []string `json:"KeyAgreementAlgorithms,omitempty"`
	MacAlgorithms         []string `json:"MacAlgorithms,omitempty"`
	MultiRegion           bool     `json:"MultiRegion"`
	CurrentKeyMaterialID  string   `json:"CurrentKeyMaterialId,omitempty"`

	MultiRegionConfiguration    *multiRegion `json:"MultiRegionConfiguration,omitempty"`
	PendingDeletionWindowInDays int          `json:"PendingDeletionWindowInDays,omitempty"` // only of a primary that waits for its replicas
}

// metadata is the key as DescribeKey tells it.
func (k *key) metadata() metadata {
	m := metadata{
		AWSAccountID: k.place.account, KeyID: k.id, Arn: k.arn, CreationDate: toEpoch(k.created),
		Enabled: k.state() == stateEnabled, Description: k.description, KeyUsage: k.usage, KeyState: k.state(),
		DeletionDate: toEpoch(k.deletion), Origin: k.origin, KeyManager: "CUSTOMER",
		CustomerMasterKeySpec: k.spec.name, KeySpec: k.spec.name, MultiRegion: k.family != nil, MultiRegionConfiguration: k.multiRegion(),
	}
	if m.KeyState == statePendingReplica {
		m.PendingDeletionWindowInDays = days(k.window)
	}
	switch member, names := k.spec.algorithms(k.usage); member {
	case "EncryptionAlgorithms":
		m.EncryptionAlgorithms = names
	case "SigningAlgorithms":
		m.SigningAlgorithms = names
	case "KeyAgreementAlgorithms":
		m.KeyAgreementAlgs = names
	case "MacAlgorithms":
		m.MacAlgorithms = names
	}
	current := k.current()
	if current == nil {
		return m
	}
	if k.spec.class == classSymmetric {
		m.CurrentKeyMaterialID = current.id
	}
	if k.origin == originExternal && current.present() {
		m.ExpirationModel, m.ValidTo = modelForever, toEpoch(k.validTo())
		if m.ValidTo != nil {
			m.ExpirationModel = modelExpires
		}
	}
	return m
}

// equal compares by what is written.
func (m metadata) equal(o metadata) bool {
	a, errA := json.Marshal(m)
	b, errB := json.Marshal(o)
	return errA == nil && errB == nil && string(a) == string(b)
}
