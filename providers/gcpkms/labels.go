package gcpkms

import (
	"fmt"
	"maps"
	"strings"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/providers/internal/lazyregexp"
)

// The broker's own labels on a key. A key's name has characters that no label may
// have: it is there only where it fits, its id always is.
const (
	labelPrefix    = "keyferry-"
	labelEffect    = labelPrefix + "effect"
	labelOperation = labelPrefix + "operation"
	labelKeyID     = labelPrefix + "key-id"
	labelName      = labelPrefix + "key"

	// labelReserved begins the broker's labels, and none of the customer's.
	labelReserved = "keyferry"

	maxLabels, ownLabels = 64, 4
)

// Shapes of labels ("Labeling keys"). Google allows letters of other alphabets too.
const (
	labelKeys   = `[a-z][a-z0-9_-]{0,62}`
	labelValues = `[a-z0-9_-]{0,63}`
)

var labelValue = lazyregexp.New(`^` + labelValues + `$`)

// labelRule is Google's rule for labels, less the broker's own.
func labelRule() broker.TagRule {
	return broker.TagRule{
		Max: maxLabels - ownLabels, Name: labelKeys, Value: labelValues, Reserved: []string{labelReserved},
		Words: fmt.Sprintf("small letters, digits, _ and -, at most 63 characters, beginning with a letter; %d of them", maxLabels-ownLabels),
	}
}

// labelsFor are the customer's tags and the broker's marks, within Google's limits;
// Misuse names the one that is not.
func labelsFor(e broker.Effect, in broker.PrepareIn) (map[string]string, error) {
	all := map[string]string{labelEffect: e.ID(), labelKeyID: in.KeyID}
	if !labelValue().MatchString(in.KeyID) {
		return nil, fmt.Errorf("the key's id cannot be the value of label %s: %w", labelKeyID, broker.Misuse)
	}
	for label, value := range map[string]string{labelOperation: strings.ToLower(e.Operation), labelName: in.Name} {
		if labelValue().MatchString(value) {
			all[label] = value
		}
	}
	rule := labelRule()
	if why := rule.Refuses(in.Tags); why != "" {
		return nil, fmt.Errorf("these labels are not allowed: %s; allowed: %s: %w", why, rule.Words, broker.Misuse)
	}
	maps.Copy(all, in.Tags)
	return all, nil
}

// mark splits labels into the broker's marks and the customer's own.
func mark(o *broker.Observation, labels map[string]string) {
	o.Effect, o.KeyID, o.Name = labels[labelEffect], labels[labelKeyID], labels[labelName]
	o.Tags = maps.Clone(labels)
	maps.DeleteFunc(o.Tags, func(key, _ string) bool { return strings.HasPrefix(key, labelPrefix) })
}
