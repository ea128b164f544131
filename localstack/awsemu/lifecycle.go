package awsemu

import "time"

func enableKey(c *call, in keyInput) (any, error)  { return c.switchKey(in.KeyID, false) }
func disableKey(c *call, in keyInput) (any, error) { return c.switchKey(in.KeyID, true) }

func (c *call) switchKey(ref string, disabled bool) (any, error) {
	k, err := c.key(ref)
	if err != nil {
		return nil, err
	}
	if err := k.in(stateEnabled, stateDisabled); err != nil {
		return nil, err
	}
	k.disabled = disabled
	return none{}, nil
}

type scheduleInput struct {
	KeyID               string `json:"KeyId"`
	PendingWindowInDays *int   `json:"PendingWindowInDays"`
}

type scheduleOutput struct {
	KeyID               string `json:"KeyId"`
	DeletionDate        *epoch `json:"DeletionDate,omitempty"`
	KeyState            string `json:"KeyState"`
	PendingWindowInDays int    `json:"PendingWindowInDays"`
}

// scheduleKeyDeletion starts the waiting period. At its end the key and its
// aliases are gone. A primary's starts when its last replica is gone.
func scheduleKeyDeletion(c *call, in scheduleInput) (any, error) {
	wait := 30
	if in.PendingWindowInDays != nil {
		wait = *in.PendingWindowInDays
	}
	if wait < 7 || wait > 30 {
		return nil, refuse(codeValidation, "Value '%d' at 'pendingWindowInDays' failed to satisfy constraint: it must be within 7..30", wait)
	}
	k, err := c.key(in.KeyID)
	if err != nil {
		return nil, err
	}
	if err := k.in(stateEnabled, stateDisabled, statePendingImport, stateCreating); err != nil {
		return nil, err
	}
	k.window = time.Duration(wait) * day
	if k.role() != rolePrimary || len(k.replicas()) == 0 {
		k.deletion = c.now.Add(k.window)
	}
	return scheduleOutput{k.arn, toEpoch(k.deletion), k.state(), wait}, nil
}

const day = 24 * time.Hour

func days(d time.Duration) int { return int(d / day) }

// cancelKeyDeletion leaves the key disabled. Whether one without material is
// pending import instead AWS does not say; leniently it is.
func cancelKeyDeletion(c *call, in keyInput) (any, error) {
	k, err := c.key(in.KeyID)
	if err != nil {
		return nil, err
	}
	if err := k.in(statePendingDeletion, statePendingReplica); err != nil {
		return nil, err
	}
	k.deletion, k.window = time.Time{}, 0
	k.disabled = k.complete() || !c.lenient()
	return keyIDOutput{k.arn}, nil
}
