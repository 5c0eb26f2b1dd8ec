package backend

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nkconform/nkconform/mprog"
	"github.com/nkconform/nkconform/trace"
)

func TestName(t *testing.T) {
	for _, tc := range []struct{ backend, version, name, err string }{
		{"fake", "", "fake", ""},
		{"fake", "6.12", "fake:6.12", ""},
		{"host", "", "host", ""},
		{"host", "6.12", "", "--kernel 6.12 is a version to simulate, and the backend is host: expected fake"},
		{"fake:6.12", "", "", `unknown backend "fake:6.12": expected fake, and the version as --kernel 6.12`},
	} {
		name, err := Name(tc.backend, tc.version)
		assert.Equal(t, tc.name, name)
		if tc.err == "" {
			assert.NoError(t, err)
		} else {
			assert.EqualError(t, err, tc.err)
		}
	}
}

func TestImage(t *testing.T) {
	for name, want := range map[string]string{
		"vm:debian:7.3": "debian:7.3", "vm:uml:linux": "uml:linux", "uml:linux": "uml:linux", "fake": "", "host": "",
	} {
		image, ok := Image(name)
		assert.Equal(t, want != "", ok, name)
		if ok {
			assert.Equal(t, want, image)
		}
	}
}

// A fake is of the version in its name, and lacks what a trace says that it lacks.
func TestFake(t *testing.T) {
	for name, release := range map[string]string{"fake": "7.3.4", "fake:6.12": "6.12.118"} {
		b, err := Open(t.Context(), name, nil)
		require.NoError(t, err)
		assert.Equal(t, release, b.Kernel.Release)
		f, err := trace.Parse("t", "need !tcx\n")
		require.NoError(t, err)
		env, err := b.New(f)
		require.NoError(t, err)
		assert.ErrorIs(t, env.Supports(mprog.FeatureTCX), mprog.ErrUnsupported)
		assert.NoError(t, env.Supports(mprog.FeatureNetkit))
		require.NoError(t, env.Shutdown())
		require.NoError(t, b.Close())
	}
}

func TestUnknown(t *testing.T) {
	for _, name := range []string{"", "fakes", "fake:x", "testee:", "testee:/no/such/program", "vm:debian:7.3"} {
		_, err := Open(t.Context(), name, nil)
		assert.Error(t, err, name)
	}
}
