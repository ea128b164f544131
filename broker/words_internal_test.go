package broker

import (
	"errors"
	"testing"
)

func TestTwoErrorsOnRecordAreOneLine(t *testing.T) {
	t.Parallel()
	if got := printable(errors.Join(errors.New("stopped by a signal"), errors.New("context canceled\x1b")).Error()); got != "stopped by a signal; context canceled\uFFFD" {
		t.Errorf("%q", got)
	}
}
