package gcpemu

import (
	"regexp"

	"google.golang.org/grpc/codes"
)

// Labels (Google, Labeling keys).
var (
	labelName  = regexp.MustCompile(`^[\p{Ll}\p{Lo}][\p{Ll}\p{Lo}\p{N}_-]{0,62}$`)
	labelValue = regexp.MustCompile(`^[\p{Ll}\p{Lo}\p{N}_-]{0,63}$`)
)

// mostLabels is how many a key may have.
const mostLabels = 64

func checkLabels(labels map[string]string) error {
	if len(labels) > mostLabels {
		return refuse(codes.InvalidArgument, "%d labels, more than %d", len(labels), mostLabels)
	}
	for name, value := range labels {
		if !labelName.MatchString(name) || !labelValue.MatchString(value) {
			return refuse(codes.InvalidArgument, "label %q=%q is not lower-case letters, digits, _ and -, at most 63, beginning with a letter", name, value)
		}
	}
	return nil
}
