package conformance

import (
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/nkconform/nkconform/trace"
)

// difference says in a few words what is different about a failure, alike for those
// that may have one cause: of refusals the errnos, of lists in which way they differ.
func difference(f *Failure) string {
	verb := verbOf(f.Statement)
	switch {
	case strings.HasPrefix(f.Detail, noErrno):
		return verb + ": an error without an errno, " + General(f.Detail[strings.LastIndex(f.Detail, ": ")+2:])
	case f.Expected == "":
		return General(f.Detail)
	case strings.Contains(f.Expected, "unchanged by a refusal"):
		return verb + ": a refusal changes the hook"
	case strings.Contains(f.Expected, "unchanged by an untouched hook"):
		return verb + ": another hook changes"
	}
	var want []string
	for outcome := range strings.SplitSeq(f.Expected, " | ") {
		if errno := errnoOf(outcome); !slices.Contains(want, errno) {
			want = append(want, errno)
		}
	}
	expected, came := strings.Join(want, " or "), errnoOf(f.Came)
	switch {
	case expected == came:
		return verb + ": " + unlike(f.Expected, f.Came)
	case came != success && !slices.Contains(want, success):
		return expected + " expected, " + came + " came"
	}
	return verb + ": " + expected + " expected, " + came + " came"
}

// success stands for the errno of what succeeds.
const success = "success"

// errnoOf is the errno of an outcome as text.
func errnoOf(outcome string) string {
	words := strings.Fields(outcome)
	if len(words) > 1 && words[0] == "!" {
		return words[1]
	}
	return success
}

var (
	listText     = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`\[[^]]*\]`) })
	revisionText = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`\brevision \d+`) })
)

// unlike says in which way two outcomes with the same errno differ.
func unlike(expected, came string) string {
	want, got := entries(expected), entries(came)
	owner := func(e trace.Entry) trace.Entry { return trace.Entry{Prog: e.Prog} }
	wantProgs, gotProgs := each(want, owner), each(got, owner)
	switch {
	case strings.HasPrefix(came, "! ") && len(strings.Fields(came)) == 3:
		return "another rule"
	case listText().MatchString(expected) && !slices.Equal(wantProgs, gotProgs):
		return unlikeLists(wantProgs, gotProgs)
	case listText().MatchString(expected) && !slices.Equal(want, got):
		return "the same programs with other links"
	case revisionText().MatchString(expected) && revisionText().FindString(expected) != revisionText().FindString(came):
		return "another revision"
	}
	return "another answer"
}

func unlikeLists(want, got []trace.Entry) string {
	missing := slices.ContainsFunc(want, func(e trace.Entry) bool { return !slices.Contains(got, e) })
	surplus := slices.ContainsFunc(got, func(e trace.Entry) bool { return !slices.Contains(want, e) })
	switch {
	case missing && surplus:
		return "other programs on the hook"
	case missing:
		return "a program is missing on the hook"
	case surplus:
		return "a program too many on the hook"
	}
	return "the programs in another order"
}

func each[T any](list []T, f func(T) T) []T {
	out := make([]T, len(list))
	for i, e := range list {
		out[i] = f(e)
	}
	return out
}

// entries reads the list of an outcome.
func entries(outcome string) []trace.Entry {
	var list []trace.Entry
	for word := range strings.FieldsSeq(strings.Trim(listText().FindString(outcome), "[]")) {
		prog, link, _ := strings.Cut(word, "@")
		list = append(list, trace.Entry{Prog: prog, Link: link})
	}
	return trace.ExpandList(list)
}

var particular = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`"[^"]*"|[0-9]+(?:\.[0-9]+)+|\b(?:0x[0-9a-f]+|[0-9]+)\b`)
})

// General is the first line of a text, but for the numbers and quoted words that
// differ from one failure to the next. Versions stay.
func General(text string) string {
	first, _, _ := strings.Cut(text, "\n")
	return particular().ReplaceAllStringFunc(first, func(s string) string {
		switch {
		case s[0] == '"':
			return `"…"`
		case strings.Contains(s, "."):
			return s
		}
		return "N"
	})
}
