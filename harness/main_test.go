//go:build linux

package harness

import (
	"os"
	"testing"

	"github.com/nkconform/nkconform/harness/guest"
)

func TestMain(m *testing.M) {
	guest.Main()
	if script := os.Getenv(fakeEnv); script != "" {
		fakeMachine(script)
	}
	if dir := os.Getenv(doomedEnv); dir != "" {
		doomedHarness(dir)
	}
	os.Exit(m.Run())
}
