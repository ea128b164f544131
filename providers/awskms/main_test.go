package awskms_test

import (
	"testing"

	"go.uber.org/goleak"
)

// TestMain fails when anything is left running: an adapter, an emulator, LocalStack.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
