package deviation

import (
	"cmp"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// rangeMark is between the first and the last release of a range.
const rangeMark = ".."

// number is a release in a range: as many of its numbers as are said.
var number = regexp.MustCompile(`^\d{1,5}(\.\d{1,5}){0,2}$`)

// checkRange says what is wrong with a range.
func checkRange(from, to string) error {
	for _, s := range []string{from, to} {
		if !number.MatchString(s) {
			return fmt.Errorf("%q is no release: expected for example 6.6..6.12.113", s)
		}
	}
	if !between(from, from, to) {
		return fmt.Errorf("%s is newer than %s", from, to)
	}
	return nil
}

// between reports whether a release as uname(2) gives it is none older than from and none
// newer than to. What from and to do not say may be any number: 6.12.118 is not newer than 6.12.
func between(release, from, to string) bool {
	end := strings.IndexFunc(release, func(c rune) bool { return c != '.' && (c < '0' || c > '9') })
	if end < 0 {
		end = len(release)
	}
	release = strings.TrimRight(release[:end], ".")
	return release != "" && compare(release, from) >= 0 && compare(release, to) <= 0
}

// compare compares as many numbers of a release as the bound has.
func compare(release, bound string) int {
	have, want := strings.Split(release, "."), strings.Split(bound, ".")
	for i, w := range want {
		n := 0
		if i < len(have) {
			n, _ = strconv.Atoi(have[i])
		}
		b, _ := strconv.Atoi(w)
		if c := cmp.Compare(n, b); c != 0 {
			return c
		}
	}
	return 0
}
