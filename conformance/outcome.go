package conformance

import (
	"slices"
	"strconv"
	"strings"

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
		return trace.Outcome{Errno: o.Errno, Rule: o.Rule}
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
			if value, _, _ := strings.Cut(f.Value, "*"); value == usual[f.Name] && !strings.Contains(f.Value, ",") {
				continue
			}
		}
		short.Fields = append(short.Fields, f)
	}
	return short
}

// usual is what goes without saying of filters: chain 0, every protocol, direct
// action; of one filter, or of all of several: 0*3.
var usual = map[string]string{"chain": "0", "protocol": "3", "bpf_flags": "1"}
