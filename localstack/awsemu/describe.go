package awsemu

import (
	"maps"
	"slices"
)

type keyInput struct {
	KeyID string `json:"KeyId"`
}

type keyIDOutput struct {
	KeyID string `json:"KeyId"`
}

// none is the answer of actions that have none.
type none struct{}

func describeKey(c *call, in keyInput) (any, error) {
	k, err := c.aliased(in.KeyID)
	if err != nil {
		return nil, err
	}
	return keyMetadataOutput{k.shown.see(c.now)}, nil
}

type listKeysInput struct {
	Limit  *int    `json:"Limit"`
	Marker *string `json:"Marker"`
}

type keyListEntry struct {
	KeyID  string `json:"KeyId"`
	KeyArn string `json:"KeyArn"`
}

type listKeysOutput struct {
	Keys []keyListEntry `json:"Keys"`
	pageOutput
}

// listKeys lists in the order of ids, which are random: AWS promises no order.
func listKeys(c *call, in listKeysInput) (any, error) {
	keys := c.region().keys
	ids := slices.DeleteFunc(slices.Sorted(maps.Keys(keys)), func(id string) bool { return !keys[id].exists.see(c.now) })
	ids, end, err := c.page(ids, in.Limit, in.Marker, limits{100, 1000})
	if err != nil {
		return nil, err
	}
	out := listKeysOutput{Keys: []keyListEntry{}, pageOutput: end}
	for _, id := range ids {
		out.Keys = append(out.Keys, keyListEntry{id, keys[id].arn})
	}
	return out, nil
}

type keyLastUsage struct {
	KmsRequestID string `json:"KmsRequestId,omitempty"`
	Operation    string `json:"Operation,omitempty"`
	Timestamp    *epoch `json:"Timestamp,omitempty"`
}

type getKeyLastUsageOutput struct {
	KeyID             string       `json:"KeyId"`
	KeyCreationDate   *epoch       `json:"KeyCreationDate"`
	TrackingStartDate *epoch       `json:"TrackingStartDate"`
	KeyLastUsage      keyLastUsage `json:"KeyLastUsage"` // empty: never used
}

// getKeyLastUsage tells the last successful cryptographic operation. Tracking
// starts with the key here.
func getKeyLastUsage(c *call, in keyInput) (any, error) {
	k, err := c.key(in.KeyID)
	if err != nil {
		return nil, err
	}
	out := getKeyLastUsageOutput{KeyID: k.id, KeyCreationDate: toEpoch(k.created), TrackingStartDate: toEpoch(k.created)}
	if use := k.lastUse; use.action != "" {
		out.KeyLastUsage = keyLastUsage{KmsRequestID: use.request, Operation: use.action, Timestamp: toEpoch(use.at)}
	}
	return out, nil
}
