//go:build amd64 || arm64

package intercept

import (
	"bytes"
	"compress/gzip"
	_ "embed"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/intercept/sim"
)

// packedFormats are what the files named format of tracepoints say behind the fields that
// all have, by name and releases; formats_gen.go writes it.
//
//go:embed formats.gz
var packedFormats []byte

// formats are by the tracepoint's name and the release.
var formats = sync.OnceValue(func() map[[2]string]string {
	list := map[[2]string]string{}
	z, err := gzip.NewReader(bytes.NewReader(packedFormats))
	if err != nil {
		return list
	}
	text, err := io.ReadAll(z)
	if err != nil {
		return list
	}
	for part := range strings.SplitSeq(string(text), "=== ") {
		head, body, _ := strings.Cut(part, "\n")
		name, releases, _ := strings.Cut(head, " ")
		for release := range strings.FieldsSeq(releases) {
			list[[2]string{name, release}] = body
		}
	}
	return list
})

// commonFields are those of every event.
const commonFields = `	field:unsigned short common_type;	offset:0;	size:2;	signed:0;
	field:unsigned char common_flags;	offset:2;	size:1;	signed:0;
	field:unsigned char common_preempt_count;	offset:3;	size:1;	signed:0;
	field:int common_pid;	offset:4;	size:4;	signed:1;

`

// formatOf is what a tracepoint's format says, false if it was not recorded.
func formatOf(r fake.Release, point string, id uint32) (string, bool) {
	body, ok := formats()[[2]string{point, recordedRelease(r).String()}]
	_, name, _ := strings.Cut(point, "/")
	return formatText(name, id, body), ok
}

func formatText(name string, id uint32, body string) string {
	return fmt.Sprintf("name: %s\nID: %d\nformat:\n%s%s", name, id, commonFields, body)
}

// probeFormat is the format of a probe that notes nothing (kprobe_event_define_fields,
// print_probe_event).
func probeFormat(name string, id uint32, kind sim.PerfKind) string {
	const field = "\tfield:unsigned long %s;\toffset:%d;\tsize:8;\tsigned:0;\n"
	if kind == sim.PerfKretprobe || kind == sim.PerfUretprobe {
		return formatText(name, id, fmt.Sprintf(field+field, "__probe_func", 8, "__probe_ret_ip", 16)+
			"\nprint fmt: \"(%lx <- %lx)\", REC->__probe_func, REC->__probe_ret_ip\n")
	}
	return formatText(name, id, fmt.Sprintf(field, "__probe_ip", 8)+"\nprint fmt: \"(%lx)\", REC->__probe_ip\n")
}

// recordedRelease is the newest recorded release that is not newer than one.
func recordedRelease(r fake.Release) fake.Release {
	for _, each := range slices.Backward(recordedReleases) {
		if !r.Before(each) {
			return each
		}
	}
	return recordedReleases[0]
}
