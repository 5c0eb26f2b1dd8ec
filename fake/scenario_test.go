package fake_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/nkconform/nkconform"
	"github.com/nkconform/nkconform/conformance"
	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/mprog"
	"github.com/nkconform/nkconform/trace"
)

func scenarios(t testing.TB) []conformance.Scenario {
	t.Helper()
	all, err := conformance.Load(nkconform.Scenarios())
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// lacking returns the options for a kernel that lacks what a scenario wants it to
// lack.
func lacking(f *trace.File) []fake.Option {
	var opts []fake.Option
	for _, s := range f.Statements() {
		for _, word := range s.Operands {
			if f, absent := trace.ParseNeed(word); s.Verb == "need" && absent {
				opts = append(opts, fake.Without(f))
			}
		}
	}
	return opts
}

// What is recorded while a scenario is played is a scenario with the same
// answers, and recording it again gives the same text.
func TestRecordedScenarios(t *testing.T) {
	for _, s := range scenarios(t) {
		t.Run(s.ID, func(t *testing.T) {
			opts := append(lacking(s.Trace), fake.Record())
			first := fake.New(opts...)
			if r := conformance.Run(first, s); r.Status != conformance.Passed {
				t.Fatal(r.Reason, r.Failure)
			}
			text := first.Trace().String()
			f, err := trace.Parse("recorded", text)
			if err != nil {
				t.Fatalf("%v\n%s", err, text)
			}
			second := fake.New(opts...)
			if r := conformance.Run(second, conformance.Scenario{ID: s.ID, Trace: f}); r.Status != conformance.Passed {
				t.Fatalf("%s %s\n%s", r.Reason, r.Failure, text)
			}
			if n := strings.Count(text, "cannot be said"); n > 0 {
				t.Logf("%d calls cannot be said:\n%s", n, text)
			}
		})
	}
}

// uncovered lists the rules that no scenario can show, with the reason.
var uncovered = map[mprog.Rule]string{
	"prog-load/net-admin":     "in traces the first process alone loads programs, which has all capabilities",
	"stage/device-name-long":  "the language has no such names",
	"stage/device-name":       "the language has no such names",
	"stage/device-name-taken": "the language declares a name once",
	"stage/netns":             "the language names only namespaces that were made",
}

// Every rule refuses in at least one scenario.
func TestScenariosCoverRules(t *testing.T) {
	seen := map[mprog.Rule]bool{}
	for _, s := range scenarios(t) {
		k := fake.New(lacking(s.Trace)...)
		k.Observe(func(e *fake.Event) {
			if refusal := e.Refusal(); refusal != nil {
				seen[refusal.Rule] = true
			}
		})
		conformance.Run(k, s)
	}
	var missing []string
	for _, r := range fake.Rules() {
		if _, excepted := uncovered[r.ID]; excepted == seen[r.ID] {
			missing = append(missing, fmt.Sprintf("%s: in a scenario: %v, expected %v", r.ID, seen[r.ID], !seen[r.ID]))
		}
	}
	if missing != nil {
		t.Error(strings.Join(missing, "\n"))
	}
}

// Every behaviour is shown by a scenario.
func TestScenariosCoverBehaviours(t *testing.T) {
	all := scenarios(t)
	seen := map[mprog.Rule]bool{}
	for _, b := range fake.Behaviours() {
		if list, err := conformance.Select(all, b.Scenarios); err != nil || len(list) == 0 {
			t.Errorf("%s: %v", b.ID, err)
		}
		if seen[b.ID] || !strings.HasSuffix(b.Text, ".") || b.Source == "" {
			t.Errorf("%s: there twice, or incomplete", b.ID)
		}
		seen[b.ID] = true
	}
	for _, r := range fake.Rules() {
		if seen[r.ID] {
			t.Errorf("%s is a behaviour, and a rule to refuse by", r.ID)
		}
	}
}

// Every release answers as the suite says, which passes on kernels of these
// versions, or lacks what a scenario needs.
func TestScenariosOnReleases(t *testing.T) {
	all := scenarios(t)
	for _, c := range []struct {
		version string
		plays   int // percent that is not skipped
	}{{"6.6", 40}, {"6.7", 98}, {"6.12", 98}, {"6.18", 98}, {"7.1", 100}, {"7.2", 100}} {
		played := 0
		for _, s := range all {
			k := fake.New(append(lacking(s.Trace), fake.Linux(c.version))...)
			switch r := conformance.Run(k, s); r.Status {
			case conformance.Failed:
				t.Errorf("Linux %s: %s: %s", c.version, s.ID, r.Failure)
			case conformance.Passed:
				played++
			}
		}
		if percent := 100 * played / len(all); percent < c.plays {
			t.Errorf("Linux %s: %d of %d scenarios passed, %d %%", c.version, played, len(all), percent)
		}
	}
}
