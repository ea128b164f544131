package memory_test

import (
	"testing"

	"go.uber.org/goleak"
)

// TestMain fails when a held call is left behind.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
