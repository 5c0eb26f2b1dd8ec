package sim

import (
	_ "embed"
	"fmt"
	"runtime"
	"strings"

	"github.com/nkconform/nkconform/fake"
)

// What /proc/version of Debian's kernels says, by release.
//
//go:embed versions
var versions string

// Version is what a kernel says of itself.
type Version struct {
	Whole   string // /proc/version
	Release string // uname -r
	Build   string // uname -v
}

// VersionOf is what Debian's kernel of a release says, on this machine's architecture.
// Of a release that Debian has not, it is a version with a zero, and of a stable update of
// which nothing is recorded its number alone.
func VersionOf(r fake.Release) Version {
	number, said := r.String(), strings.Count(r.String(), ".") == 2
	if !said {
		number += ".0"
	}
	whole := fmt.Sprintf("Linux version %s (nkconform) #1 SMP PREEMPT_DYNAMIC", number)
	for line := range strings.Lines(versions) {
		name, text, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		if !said && name == r.String() || said && strings.HasPrefix(text, "Linux version "+number+"+") {
			whole = strings.ReplaceAll(text, "amd64", runtime.GOARCH)
		}
	}
	release, _, _ := strings.Cut(strings.TrimPrefix(whole, "Linux version "), " ")
	return Version{whole, release, whole[strings.LastIndex(whole, "#"):]}
}
