//go:build amd64 || arm64

package doctor

import (
	"errors"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// What is missing comes with words, and every check ends by itself.
func TestChecks(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range Checks {
		require.False(t, seen[c.Name], c.Name)
		seen[c.Name] = true
		require.NotEmpty(t, c.Is, c.Name)
		require.NotEmpty(t, c.Good, c.Name)
		detail, err := c.Try()
		t.Log(c.Name, detail, err)
		var m *Missing
		if err != nil {
			require.ErrorAs(t, err, &m, c.Name)
			require.NotEmpty(t, m.Why, c.Name)
		}
	}
}

func TestCan(t *testing.T) {
	require.ErrorIs(t, Can("nothing-of-the-kind"), ErrUnknown)
}

// A part of the tests: a user namespace in which there can be no other.
var _ = func() bool {
	parts["limited"] = func() error {
		if err := os.WriteFile("/proc/sys/user/max_user_namespaces", []byte("0"), 0); err != nil {
			return err
		}
		return enterNamespaces()
	}
	parts["no tun"] = func() error {
		return errors.Join(unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""),
			unix.Mount("empty", "/dev", "tmpfs", 0, ""), openTUN())
	}
	return true
}()

func TestMissing(t *testing.T) {
	Need(t, "userns")
	for part, want := range map[string]*Missing{
		"limited": {"user.max_user_namespaces is 0", "sudo sysctl -w user.max_user_namespaces=10000"},
		"no tun":  {"/dev/net/tun is missing", "sudo modprobe tun"},
	} {
		t.Run(part, func(t *testing.T) {
			var m *Missing
			require.ErrorAs(t, again(part, newUser(unix.CLONE_NEWNS)), &m)
			require.Equal(t, want, m)
		})
	}
}

// skipper notes what a test is told.
type skipper struct{ skipped, failed []any }

func (s *skipper) Helper()           {}
func (s *skipper) Skip(args ...any)  { s.skipped = args }
func (s *skipper) Fatal(args ...any) { s.failed = args }

func TestNeed(t *testing.T) {
	defer func(c []Check) { Checks = c }(Checks)
	Checks = []Check{
		{Name: "can", Try: func() (string, error) { return "", nil }},
		{Name: "cannot", Try: func() (string, error) { return "", &Missing{"it is broken", "mend it"} }},
	}
	var s skipper
	Need(&s, "can")
	require.Equal(t, skipper{}, s)
	Need(&s, "can", "cannot")
	require.Len(t, s.skipped, 2)
	require.EqualError(t, s.skipped[1].(error), "cannot: it is broken (try: mend it)")
	Need(&s, "no such")
	require.Len(t, s.failed, 1)
}
