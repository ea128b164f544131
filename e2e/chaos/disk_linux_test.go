package chaos_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/keyferry/keyferry/e2e/internal/e2etest"
	"github.com/keyferry/keyferry/hsm/softtoken"
)

// The same while the disk that the store is on gets full, and has room again.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	inside, printed := e2etest.Isolated(t)
	if !inside {
		for line := range strings.Lines(printed) {
			if strings.Contains(line, "disk full") {
				fmt.Print(line)
			}
		}
		return
	}
	disk := e2etest.Disk(t, t.TempDir(), "8m")
	s := scenario{name: "disk full and back", breaks: func(t *testing.T, _ *world) func() {
		t.Helper()
		return meanwhile(
			func() { check(t, e2etest.Fill(disk)) },
			func() { check(t, e2etest.MakeRoom(disk)) }, time.Second, 1500*time.Millisecond)
	}}
	y := &tally{}
	s.run(t, newWorld(t, softtoken.SoftHSM, options{store: disk}), y)
	fmt.Print(y.scenarios())
}
