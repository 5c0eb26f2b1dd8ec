package fake_test

import (
	"fmt"
	"regexp"
	"slices"
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

// What is recorded while a scenario is played is a scenario with the same
// answers, and recording it again gives the same text.
func TestRecordedScenarios(t *testing.T) {
	for _, s := range scenarios(t) {
		t.Run(s.ID, func(t *testing.T) {
			opts := append(fake.Lacking(s.Trace), fake.Record())
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
	"prog-load/net-admin":           "in traces the first process alone loads programs, which has all capabilities",
	"stage/device-name-long":        "the language has no such names",
	"stage/device-name":             "the language has no such names",
	"cgroup/name-taken":             "the language declares a name once",
	"stage/device-name-taken":       "the language declares a name once",
	"stage/netns":                   "the language names only namespaces that were made",
	"qdisc/change":                  "the language has no options of qdiscs",
	"chain/exists":                  "the language has no chains by themselves",
	"chain/create":                  "the language has no chains by themselves",
	"filter/kind":                   "the language has filters of cls_bpf alone",
	"filter/hardware":               "the language has no words for hardware",
	"filter/hardware-flags":         "the language has no words for hardware",
	"filter/hardware-change":        "the language has no words for hardware",
	"filter/auto-taken-before-6.16": "the suite says what later kernels do",
	"prog-load/license":             "the suite says what later kernels do",
	"filter/get-no-chain":           "the language lists filters, and gets none by itself",
	"xdp/no-device":                 noXDP,
	"xdp/unknown-flags":             noXDP,
	"xdp/two-modes":                 noXDP,
	"xdp/not-expected":              noXDP,
	"xdp/type":                      noXDP,
	"xdp/busy-program":              noXDP,
	"xdp/not-current":               noXDP,
	"xdp/there":                     noXDP,
	"xdp/for-devmap":                noXDP,
	"xdp/for-cpumap":                noXDP,
}

// noXDP is why: what they answer is in intercept/testdata, as kernels did.
const noXDP = "the language has no IFLA_XDP, nor programs for elements of maps"

// Every rule refuses in at least one scenario: a call that the scenario makes, and
// not one that looks what a hook is like.
func TestScenariosCoverRules(t *testing.T) {
	seen := map[mprog.Rule]bool{}
	for _, s := range scenarios(t) {
		for _, release := range []fake.Release{fake.Newest, oldest} {
			for _, rule := range refusals(s, append(fake.Lacking(s.Trace), fake.Running(release))) {
				seen[rule] = true
			}
		}
	}
	for _, text := range missing(seen, uncovered) {
		t.Error(text)
	}
}

// oldest has no hooks; it is here for what it refuses otherwise.
var oldest, _ = fake.ParseRelease("6.1")

// refusals are the rules by which calls are refused that a scenario makes.
func refusals(s conformance.Scenario, opts []fake.Option) (rules []mprog.Rule) {
	k := fake.New(opts...)
	queries := refusedQueries(s.Trace)
	k.Observe(func(e *fake.Event) {
		if refusal := e.Refusal(); refusal != nil && (e.Op != mprog.OpProgQuery || queries[refusal.Errno]) {
			rules = append(rules, refusal.Rule)
		}
	})
	if r := conformance.Run(k, s); r.Status != conformance.Passed {
		return nil // what did not happen as it must shows nothing
	}
	return rules
}

// refusedQueries are the errnos that queries of a trace expect.
func refusedQueries(f *trace.File) map[mprog.Errno]bool {
	errnos := map[mprog.Errno]bool{}
	for _, s := range f.Statements() {
		for _, o := range s.Answer.Outcomes {
			errnos[o.Errno] = errnos[o.Errno] || s.Verb == "query"
		}
	}
	return errnos
}

// missing tells which rules refuse nowhere, and which do though they are excepted.
func missing(seen map[mprog.Rule]bool, excepted map[mprog.Rule]string) (list []string) {
	for _, r := range fake.Rules() {
		switch _, except := excepted[r.ID]; {
		case !seen[r.ID] && !except:
			list = append(list, fmt.Sprintf("%s: no scenario shows it", r.ID))
		case seen[r.ID] && except:
			list = append(list, fmt.Sprintf("%s: a scenario shows it, although %s", r.ID, excepted[r.ID]))
		}
	}
	return list
}

// A rule that no scenario shows is told.
func TestMissingRules(t *testing.T) {
	seen := map[mprog.Rule]bool{}
	for _, r := range fake.Rules() {
		seen[r.ID] = true
	}
	seen["revision/stale"] = false
	got := missing(seen, map[mprog.Rule]string{"position/none": "it cannot be said"})
	want := []string{"revision/stale: no scenario shows it", "position/none: a scenario shows it, although it cannot be said"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// shown says what a scenario's statement looks like that shows a behaviour.
var shown = map[mprog.Rule]string{
	"order/append":            `^attach \S+ \w+ += revision \d+ \[\S+ .*\S\]`,
	"order/before":            `^attach .*flags=before .*= revision`,
	"order/after":             `^attach .*flags=after .*= revision`,
	"order/query":             `^query \S+ += revision \d+ (count \d+ )?\[\S+ \S`,
	"replace/in-place":        `^attach .*flags=replace .*= revision \d+ \[\S+ \S`,
	"revision/counts":         `^attach .*= revision 4`,
	"revision/emptied-netkit": `^attach .*expected_revision=1 ! ESTALE`,
	"revision/emptied-tcx":    `^attach .*expected_revision=1 += revision 2`,
	"revision/kept-tcx":       `^query \S+ += revision 3 \[\]`,
	"filter/order":            `^filter .*= prio 1\*3 handle 3,2,1 \[\S+ \S+ \S+\]`,
	"filter/auto":             `^filter \S+ \S+ += prio 49152 handle 1 \[`,
	"filter/reference":        `^prog-fd .*! ENOENT`,
	"qdisc/moved":             `^q: filter-list \S+ += \[\]`,
	"run/filter":              `^send .*= packet`,
	"detach/named":            `^detach \S+ \w+ .*flags=.*= revision`,
	"detach/position":         `^detach \S+ flags=(before|after).*= revision`,
	"detach/border":           `^detach \S+ flags=(before|after).*= revision`,
	"query/count":             `^query .*count=\d+ .*revision \d+ count`,
	"query/attach-flags":      `^query .*prog_attach_flags=array .*prog_attach_flags 0`,
	"link/create":             `^link .*= revision .*@`,
	"link/update":             `^link-update .*= revision .*@`,
	"link/detach":             `^link-detach .*= revision`,
	"link/release":            `^(close|unlink) .*= revision`,
	"link/info":               `^info .*= type (netkit|tcx) .*attach_type`,
	"program/reference":       `^(query|detach|close|info) .*=`,
	"device/deleted":          `^delete `,
	"netns/ended":             `^end \w+$`,
	"device/moved":            `^\w+: (query|attach) .*= revision`,
	"caller/netns":            `^\w+: (query|attach) .*! ENODEV`,
	"caller/capability":       `^\w+: (attach|link) .*= revision`,
	"caller/fds":              `^\w+: .*! (EBADF|EBADFD)$`,
	"object/ids":              `^(prog|link)-(next|fd) `,
	"object/pin":              `^get `,
	"attr/short":              `^(attach|detach|link) .*size=\d+ += revision`,
	"attr/padding":            `^(query|link) .*junk=\d+ += revision`,
	"run/stop":                `^send .*= packet`,
	"run/netkit":              `^send .*= packet`,
	"run/tcx":                 `^send .*= packet`,
	"run/policy":              `^netkit .*policy=blackhole`,
	"cgroup/effective":        `^query .*query_flags=1`,
	"cgroup/one-program":      `^detach \S+ b += revision`,
	"cgroup/revision":         `^link-update .*= revision`,
	"cgroup/ended":            `cgroup_id 0`,
	"run/cgroup":              `datagram .*= packet`,
	"run/hooks":               `^send .*= packet`,
}

// Every behaviour is shown by a scenario that passes: a statement has it.
func TestScenariosCoverBehaviours(t *testing.T) {
	all := scenarios(t)
	seen := map[mprog.Rule]bool{}
	for _, b := range fake.Behaviours() {
		list, err := conformance.Select(all, b.Scenarios)
		if err != nil {
			t.Errorf("%s: %v", b.ID, err)
		}
		shows, err := regexp.Compile(shown[b.ID])
		if err != nil || shown[b.ID] == "" {
			t.Errorf("%s: no pattern of a statement that shows it: %v", b.ID, err)
			continue
		}
		if !slices.ContainsFunc(list, func(s conformance.Scenario) bool {
			return slices.ContainsFunc(s.Trace.Statements(), func(st *trace.Statement) bool { return shows.MatchString(st.String()) }) &&
				conformance.Run(fake.New(fake.Lacking(s.Trace)...), s).Status == conformance.Passed
		}) {
			t.Errorf("%s: none of %d scenarios %s has a statement like %s", b.ID, len(list), b.Scenarios, shows)
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
