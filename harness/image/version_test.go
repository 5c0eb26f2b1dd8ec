package image

import (
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestMatches(t *testing.T) {
	for _, test := range []struct {
		version, want string
		match         bool
	}{
		{"7.1.13-1~bpo13+1", "7.1", true},
		{"7.1.13-1~bpo13+1", "7.1.13", true},
		{"7.1.13-1~bpo13+1", "7", true},
		{"7.10.2-1", "7.1", false},
		{"7.1.13-1", "7.1.1", false},
		{"6.12.95-1", "6.1", false},
		{"6.1.192-2", "6.1", true},
		{"6.12.95+deb12-amd64", "6.12.95+deb12", true},
		{"7.1~rc3-1", "7.1", true},
		{"7.1.13-1", "", false},
	} {
		assert.Equal(t, test.match, matches(test.version, test.want), "%s matches %s", test.version, test.want)
	}
}

func TestCompareVersions(t *testing.T) {
	ascending := []string{
		"6.1.192-2", "6.12.9-1", "6.12.90-1~deb12u1", "6.12.90-1", "6.12.90-1.1", "6.12.90-2",
		"7.1~rc1-1", "7.1-1", "7.1.13-1~bpo13+1", "7.1.13-1", "7.1.13-1+b1", "7.10-1",
	}
	for i, a := range ascending {
		for j, b := range ascending {
			want := 0
			if i < j {
				want = -1
			} else if i > j {
				want = 1
			}
			assert.Equal(t, want, compareVersions(a, b), "%s and %s", a, b)
		}
	}
	assert.Zero(t, compareVersions("7.01-1", "7.1-1"), "leading zeros do not count")
}

func TestDebianKernels(t *testing.T) {
	out, err := os.ReadFile("testdata/madison.txt")
	require.NoError(t, err)
	all := debianKernels(parseMadison(out))
	newest := func(want, flavour string) *debianKernel {
		for _, k := range all {
			if k.flavour == flavour && (matches(k.version, want) || matches(k.release, want)) {
				return &k
			}
		}
		return nil
	}
	for _, test := range []struct {
		want, flavour, release string
		pkg                    string // the one to try first
	}{
		{"7", "cloud-amd64", "7.3.4+deb13-cloud-amd64", "linux-binary-7.3.4+deb13-cloud-amd64"},
		{"7.1", "amd64", "7.1.13+deb13-amd64", "linux-binary-7.1.13+deb13-amd64"},
		{"6.18", "cloud-amd64", "6.18.15+deb13-cloud-amd64", "linux-image-6.18.15+deb13-cloud-amd64"},
		{"6.12", "amd64", "6.12.117+deb13-amd64", "linux-image-6.12.117+deb13-amd64"},
		{"6.12.95+deb12", "amd64", "6.12.95+deb12-amd64", "linux-image-6.12.95+deb12-amd64"},
		{"6.1", "cloud-amd64", "6.1.0-56-cloud-amd64", "linux-image-6.1.0-56-cloud-amd64"},
	} {
		k := newest(test.want, test.flavour)
		if assert.NotNil(t, k, test.want) {
			assert.Equal(t, test.release, k.release, test.want)
			assert.Equal(t, test.pkg, k.pkgs[0].name, test.want)
		}
	}
	assert.Nil(t, newest("6.13", "amd64"))
	for _, k := range all {
		assert.NotContains(t, k.release, "-rt-")
		assert.Regexp(t, `^\d+\.\d+\.\d+`, k.release, "no metapackage")
	}
}
