package conformance

import (
	"regexp"
	"slices"
	"strconv"

	"github.com/nkconform/nkconform/trace"
)

func equal(a, b trace.Outcome) bool {
	return a.Errno == b.Errno && slices.Equal(a.Fields, b.Fields) && slices.Equal(a.List, b.List)
}

// expected writes an answer for people.
func expected(a trace.Answer) string {
	if s := a.String(); s != "" {
		return s
	}
	return "= ok"
}

// shown writes an outcome as a scenario would: a refusal without the state
// that it left alone, a query's count only where the list does not tell it.
func shown(o trace.Outcome) string { return concise(o).String() }

// concise leaves out of an outcome what goes without saying.
func concise(o trace.Outcome) trace.Outcome {
	if !writes(o.Errno) {
		return trace.Outcome{Errno: o.Errno}
	}
	short := trace.Outcome{Errno: o.Errno, Listed: o.Listed, List: trace.CompressList(o.List)}
	for _, f := range o.Fields {
		switch f.Name {
		case "count":
			if o.Listed && f.Value == strconv.Itoa(len(o.List)) {
				continue
			}
		case "attach_flags":
			if f.Value == "0" {
				continue
			}
		case "chain", "protocol", "bpf_flags":
			if usual[f.Name].MatchString(f.Value) {
				continue
			}
		}
		short.Fields = append(short.Fields, f)
	}
	return short
}

// usual is what goes without saying of filters: chain 0, every protocol, direct
// action.
var usual = map[string]*regexp.Regexp{
	"chain":     regexp.MustCompile(`^0(\*\d+)?$`),
	"protocol":  regexp.MustCompile(`^3(\*\d+)?$`),
	"bpf_flags": regexp.MustCompile(`^1(\*\d+)?$`),
}
