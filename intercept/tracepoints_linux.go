//go:build amd64 || arm64

package intercept

import (
	_ "embed"
	"slices"
	"strings"

	"github.com/nkconform/nkconform/fake"
)

// tracepointLines are the kernel's tracepoints by system and release.
//
//go:embed tracepoints.txt
var tracepointLines string

// recordedReleases are those of the file.
var recordedReleases = []fake.Release{fake.Version(6, 12), fake.Version(6, 18), fake.Version(7, 1), fake.Version(7, 3)}

// tracepointsOf lists the tracepoints of a release, as system and name with a slash
// between: those of the newest recorded one that is not newer.
func tracepointsOf(r fake.Release) (list []string) {
	at := recordedRelease(r)
	for line := range strings.Lines(tracepointLines) {
		head, names, ok := strings.Cut(strings.TrimSpace(line), ": ")
		if !ok || strings.HasPrefix(line, "#") {
			continue
		}
		system, some, _ := strings.Cut(strings.TrimSuffix(head, "]"), " [")
		if some != "" && !slices.Contains(strings.Fields(some), at.String()) {
			continue
		}
		for _, name := range strings.Fields(names) {
			list = append(list, system+"/"+name)
		}
	}
	slices.Sort(list)
	return list
}
