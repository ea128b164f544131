package gcpkms_test

import (
	"testing"

	"go.uber.org/goleak"
)

// TestMain fails when anything is left running: a connection, an emulator.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
