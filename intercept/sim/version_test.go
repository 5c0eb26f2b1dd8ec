package sim

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/nkconform/nkconform/fake"
)

// What uname(2) says of releases, of updates recorded and of others.
func TestVersionOf(t *testing.T) {
	for _, c := range []struct {
		r                  fake.Release
		release, beginning string
	}{
		{fake.Version(6, 12), "6.12.118+deb13-cloud-", "#1 SMP PREEMPT_DYNAMIC Debian 6.12.118-1 "},
		{fake.Version(6, 12).Update(118), "6.12.118+deb13-cloud-", "#1 SMP PREEMPT_DYNAMIC Debian 6.12.118-1 "},
		{fake.Version(6, 12).Update(11), "6.12.11", "#1 SMP"},
		{fake.Version(6, 12).Update(0), "6.12.0", "#1 SMP"},
		{fake.Version(6, 7), "6.7.0", "#1 SMP"},
		{fake.Version(6, 1), "6.1.0-57-cloud-", "#1 SMP"},
	} {
		v := VersionOf(c.r)
		assert.Truef(t, strings.HasPrefix(v.Release, c.release), "%s: %s", c.r, v.Release)
		assert.Truef(t, strings.HasPrefix(v.Build, c.beginning), "%s: %s", c.r, v.Build)
		assert.Contains(t, v.Whole, v.Release)
	}
}
