package lockstep

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nkconform/nkconform/conformance"
	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/mprog"
	"github.com/nkconform/nkconform/trace"
)

func fakes(options ...fake.Option) Backend {
	return Backend{Name: "fake", New: func() (mprog.Environment, error) { return fake.New(options...), nil }}
}

func newTester(t testing.TB, a, b Backend) *Tester {
	tester, err := New(a, b)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, tester.Close()) })
	return tester
}

// The fake agrees with itself, at least half of the steps succeed, and the
// border of 63 programs is reached often.
func TestRandom(t *testing.T) {
	for name, options := range map[string][]fake.Option{
		"both": nil, "netkit": {fake.Without(mprog.FeatureTCX)}, "tcx": {fake.Without(mprog.FeatureNetkit)},
	} {
		t.Run(name, func(t *testing.T) {
			tester := newTester(t, fakes(options...), fakes(options...))
			for n := range uint64(150) {
				found, err := tester.Random(1, n, 100)
				require.NoError(t, err)
				require.Nil(t, found)
			}
			s := tester.Stats
			assert.Greater(t, s.Succeeded, s.Steps/2)
			assert.Greater(t, s.Full, s.Steps/200)
			assert.Greater(t, len(s.Errnos), 12)
			assert.Zero(t, s.Cut)
		})
	}
}

// A sequence is the same trace every time, and a trace that plays as the
// sequence did.
func TestTrace(t *testing.T) {
	tester := newTester(t, fakes(), fakes())
	tester.Fresh = true
	for n := range uint64(80) {
		_, err := tester.Random(2, n, 60)
		require.NoError(t, err)
		text, err := tester.Record(tester.Last(), "# Anything.")
		require.NoError(t, err)

		f, err := trace.Parse("it", text)
		require.NoError(t, err, text)
		assert.Equal(t, text, f.String())
		r := conformance.Run(fake.New(), conformance.Scenario{Trace: f})
		assert.Equal(t, conformance.Passed, r.Status, "%v\n%s", r.Failure, text)

		_, err = tester.Random(2, n, 60)
		require.NoError(t, err)
		again, err := tester.Record(tester.Last(), "# Anything.")
		require.NoError(t, err)
		assert.Equal(t, text, again)
	}
}

// broken is a fake with a defect.
type broken struct {
	mprog.Environment
	attach func(mprog.Environment, mprog.AttachRequest) error
	close  func(mprog.Environment, uint32) error
	end    func(mprog.Netns) error
}

func (b broken) EndNetns(n mprog.Netns) error {
	if b.end != nil {
		return b.end(n)
	}
	return b.Environment.EndNetns(n)
}

func (b broken) ProgAttach(r mprog.AttachRequest) error {
	if b.attach != nil {
		return b.attach(b.Environment, r)
	}
	return b.Environment.ProgAttach(r)
}

func (b broken) Close(fd uint32) error {
	if b.close != nil {
		return b.close(b.Environment, fd)
	}
	return b.Environment.Close(fd)
}

// What is found is shrunk to what matters, and printed with the right answers.
func TestShrink(t *testing.T) {
	for _, tc := range []struct {
		name   string
		broken broken
		want   string
	}{
		{
			name: "replace appends",
			broken: broken{attach: func(e mprog.Environment, r mprog.AttachRequest) error {
				r.Flags &^= mprog.Replace
				return e.ProgAttach(r)
			}},
			want: "# Rule.\nprog a\nattach lo:ingress a flags=replace      ! ENOENT\n",
		},
		{
			name: "close leaves links",
			broken: broken{close: func(e mprog.Environment, fd uint32) error {
				info, err := e.ObjectInfo(fd)
				if err == nil && info.Kind == mprog.LinkObject {
					return nil
				}
				return e.Close(fd)
			}},
		},
		{name: "namespaces do not end", broken: broken{end: func(mprog.Netns) error { return nil }}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := Backend{Name: "broken", New: func() (mprog.Environment, error) {
				defect := tc.broken
				defect.Environment = fake.New()
				return defect, nil
			}}
			tester := newTester(t, b, fakes())
			var found *Finding
			for n := uint64(0); found == nil && n < 100; n++ {
				var err error
				found, err = tester.Random(3, n, 100)
				require.NoError(t, err)
			}
			require.NotNil(t, found)
			small, again, err := tester.Shrink(context.Background(), found)
			require.NoError(t, err)
			assert.True(t, again)
			assert.LessOrEqual(t, len(small.Steps), 3)
			text, err := tester.Scenario(small, "# Rule.")
			require.NoError(t, err)
			t.Logf("%s%s, not %s", text, small.Describe(small.B), small.Describe(small.A))

			f, err := trace.Parse("it", text)
			require.NoError(t, err)
			env, err := b.New()
			require.NoError(t, err)
			r := conformance.Run(env, conformance.Scenario{Trace: f})
			assert.Equal(t, conformance.Failed, r.Status)
		})
	}
}

// FuzzFake makes a sequence of each string of bytes.
func FuzzFake(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte("a sequence is made of these letters, and of many more of them, so that it goes on for a while"))
	f.Fuzz(func(t *testing.T, p []byte) {
		if len(p) > 2000 {
			return
		}
		tester := newTester(t, fakes(), fakes())
		found, err := tester.Bytes(p)
		require.NoError(t, err)
		if found != nil {
			t.Fatalf("%v", found)
		}
	})
}
