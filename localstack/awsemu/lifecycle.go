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
	DeletionDate        *epoch `json:"DeletionDate"`
	KeyState            string `json:"KeyState"`
	PendingWindowInDays int    `json:"PendingWindowInDays"`
}

// scheduleKeyDeletion starts the waiting period. At its end the key and its
// aliases are gone.
func scheduleKeyDeletion(c *call, in scheduleInput) (any, error) {
	days := 30
	if in.PendingWindowInDays != nil {
		days = *in.PendingWindowInDays
	}
	if days < 7 || days > 30 {
		return nil, refuse(codeValidation, "Value '%d' at 'pendingWindowInDays' failed to satisfy constraint: it must be within 7..30", days)
	}
	k, err := c.changeable(in.KeyID)
	if err != nil {
		return nil, err
	}
	k.deletion = c.now.Add(time.Duration(days) * 24 * time.Hour)
	return scheduleOutput{k.arn, toEpoch(k.deletion), statePendingDeletion, days}, nil
}

// cancelKeyDeletion leaves the key disabled. Whether one without material is
// pending import instead AWS does not say; leniently it is.
func cancelKeyDeletion(c *call, in keyInput) (any, error) {
	k, err := c.key(in.KeyID)
	if err != nil {
		return nil, err
	}
	if err := k.in(statePendingDeletion); err != nil {
		return nil, err
	}
	k.deletion = time.Time{}
	k.disabled = k.complete() || !c.lenient()
	return keyIDOutput{k.arn}, nil
}
