package page

import (
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nkconform/nkconform/fake"
)

// The table names rules that there are, each that refuses with its errno.
func TestFamilies(t *testing.T) {
	errnos := map[string]string{}
	for _, r := range fake.Rules() {
		errnos[string(r.ID)] = r.Errno.String()
	}
	for _, b := range fake.Behaviours() {
		errnos[string(b.ID)] = ""
	}
	rows := Families()
	require.Len(t, rows, strings.Count(familiesText, "\n|")-2)
	named := map[string]bool{}
	for _, row := range rows {
		require.NotEmpty(t, row.What)
		for _, cell := range []string{row.Netkit, row.TCX, row.Cgroup} {
			require.NotEmpty(t, cell, row.What)
			for _, m := range regexp.MustCompile("`([a-z/-]+)`(?: \\(([A-Z0-9]+)\\))?").FindAllStringSubmatch(cell, -1) {
				errno, known := errnos[m[1]]
				require.True(t, known, "%s: there is no rule %s", row.What, m[1])
				require.Equal(t, errno, m[2], "%s: %s", row.What, m[1])
				named[m[1]] = true
			}
		}
	}
	// Every rule of cgroups by which two families differ is there.
	for id := range errnos {
		if strings.HasPrefix(id, "cgroup/") && !named[id] && !strings.Contains("cgroup/flags cgroup/no-place cgroup/replace-mode cgroup/update-type "+
			"cgroup/detach-empty cgroup/query-attach-flags cgroup/name-taken cgroup/has-children cgroup/has-processes cgroup/enter-bad-fd cgroup/enter-not-a-cgroup", id) {
			t.Errorf("the table lacks %s", id)
		}
	}
}
