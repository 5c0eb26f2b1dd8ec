//go:build amd64 || arm64

package doctor

import (
	"errors"
	"os"
	"path/filepath"
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
	parts["no fuse"] = func() error {
		return errors.Join(unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""),
			unix.Mount("empty", "/dev", "tmpfs", 0, ""), openFUSE())
	}
	parts["no tun"] = func() error {
		return errors.Join(unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""),
			unix.Mount("empty", "/dev", "tmpfs", 0, ""), openTUN())
	}
	return true
}()

func TestMissing(t *testing.T) {
	Need(t, "userns")
	forTUN, forFUSE := "sudo modprobe tun", "sudo modprobe fuse"
	if inContainer() {
		forFUSE = "docker run --device /dev/fuse"
		forTUN = "docker run --device /dev/net/tun"
	}
	for part, want := range map[string]*Missing{
		"limited": {"user.max_user_namespaces is 0", "sudo sysctl -w user.max_user_namespaces=10000"},
		"no tun":  {"/dev/net/tun is missing", forTUN},
		"no fuse": {"/dev/fuse is missing", forFUSE},
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

// Why user namespaces are refused is told by the settings of distributions.
func TestRefusedNamespaces(t *testing.T) {
	defer func(s string) { settings = s }(settings)
	for _, tc := range []struct {
		setting, value string
		refused        func(error) error
		err            error
		why, get       string
	}{
		{"kernel/unprivileged_userns_clone", "0", namespaceRefused, unix.EPERM,
			"kernel.unprivileged_userns_clone is 0", "sysctl -w kernel.unprivileged_userns_clone=1"},
		{"kernel/apparmor_restrict_unprivileged_userns", "1", namespaceRefused, unix.EACCES,
			"kernel.apparmor_restrict_unprivileged_userns is 1", "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"},
		{"kernel/apparmor_restrict_unprivileged_userns", "1", withoutCapabilities, unix.EPERM,
			"root of a user namespace has no capabilities", "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"},
		{"user/max_user_namespaces", "3", namespaceRefused, unix.ENOSPC,
			"user.max_user_namespaces is 3", "sysctl -w user.max_user_namespaces=10000"},
		{"user/other", "1", namespaceRefused, unix.EINVAL, "CONFIG_USER_NS", "nkconform vm "},
		{"user/other", "1", withoutCapabilities, unix.ENOSPC, "user.max_net_namespaces", "sysctl -w user.max_net_namespaces="},
	} {
		settings = t.TempDir()
		file := settings + "/" + tc.setting
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
		require.NoError(t, os.WriteFile(file, []byte(tc.value+"\n"), 0o644))
		var m *Missing
		require.ErrorAs(t, tc.refused(tc.err), &m, tc.setting)
		require.Contains(t, m.Why, tc.why)
		require.Contains(t, m.Get, tc.get)
	}
}
