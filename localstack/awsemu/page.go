package awsemu

import (
	"encoding/base64"
	"strings"
)

// pageOutput is the end of every list's answer.
type pageOutput struct {
	NextMarker string `json:"NextMarker,omitempty"`
	Truncated  bool   `json:"Truncated"`
}

// limits of a list's pages: the size without Limit, and the most it may be.
type limits struct{ standard, most int }

// page cuts what to show from names, which are sorted. A marker names the list and
// the last entry shown, so entries may come and go between pages.
func (c *call) page(names []string, limit *int, marker *string, l limits) ([]string, pageOutput, error) {
	size := l.standard
	if limit != nil {
		size = *limit
	}
	if size < 1 || size > l.most {
		return nil, pageOutput{}, refuse(codeValidation, "Value '%d' at 'limit' failed to satisfy constraint: it must be within 1..%d", size, l.most)
	}
	if most := c.settings().PageSize; most > 0 {
		size = min(size, most)
	}
	if marker != nil {
		last, err := c.readMarker(*marker)
		if err != nil {
			return nil, pageOutput{}, err
		}
		for len(names) > 0 && names[0] <= last {
			names = names[1:]
		}
	}
	if len(names) <= size {
		return names, pageOutput{}, nil
	}
	next := base64.RawURLEncoding.EncodeToString([]byte(c.action + "|" + c.place.region + "|" + names[size-1]))
	return names[:size], pageOutput{NextMarker: next, Truncated: true}, nil
}

func (c *call) readMarker(marker string) (last string, err error) {
	text, err := base64.RawURLEncoding.DecodeString(marker)
	last, ours := strings.CutPrefix(string(text), c.action+"|"+c.place.region+"|")
	if err != nil || !ours {
		return "", refuse(codeInvalidMarker, "Could not deserialize the Marker")
	}
	return last, nil
}
