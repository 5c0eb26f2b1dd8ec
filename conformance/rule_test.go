package conformance

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/mprog"
)

// ruleless is a kernel that says no rules, as all but the fake are.
type ruleless struct{ mprog.Environment }

func (r ruleless) ProgAttach(q mprog.AttachRequest) error {
	errno, ok := mprog.ErrnoOf(r.Environment.ProgAttach(q))
	if ok && errno != 0 {
		return errno
	}
	return nil
}

// A rule behind an errno is the one that the fake refuses by; others answer with the
// errno alone, and where that is another one they are told the rule.
func TestNamedRules(t *testing.T) {
	const head = "netkit nk0 nk1\nprog a b\nattach nk0:primary a\n"
	for _, c := range []struct {
		answer    string
		fake      string // how it fails
		elsewhere string
	}{
		{"! ESTALE revision/stale", "", ""},
		{"! ESTALE attach/revision/stale", "t:4:51: attach: no rule has the id", ""},
		{"! EINVAL revision/stale", "t:4:51: attach: by rule revision/stale the errno is ESTALE, not EINVAL", ""},
		{"! EEXIST attach/duplicate", "came     ! ESTALE", "attach/duplicate: "},
	} {
		s, err := Parse("t", head+"attach nk0:primary b expected_revision=9 "+c.answer+"\n")
		if err != nil {
			require.ErrorContains(t, err, c.fake, c.answer)
			continue
		}
		for env, want := range map[mprog.Environment]string{fake.New(): c.fake, ruleless{fake.New()}: c.elsewhere} {
			r := Run(env, s)
			if want == "" {
				require.Equal(t, Passed, r.Status, "%s: %v", c.answer, r.Failure)
				continue
			}
			require.Equal(t, Failed, r.Status, c.answer)
			require.Contains(t, r.Failure.String(), want, c.answer)
		}
	}
}
