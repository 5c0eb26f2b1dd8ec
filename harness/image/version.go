package image

import (
	"cmp"
	"strings"
)

// matches reports whether version starts with want and goes on, if at all,
// with another component: 7.1 matches 7.1.13-1 but not 7.10.
func matches(version, want string) bool {
	rest, ok := strings.CutPrefix(version, want)
	return ok && want != "" && (rest == "" || !isDigit(rest[0]))
}

// compareVersions orders Debian versions without epochs as deb-version(7)
// does: runs of digits as numbers, the rest as text in which a tilde sorts
// before everything, even the end, and letters before other characters.
func compareVersions(a, b string) int {
	for a != "" || b != "" {
		ta, tb := "", ""
		ta, a = span(a, false)
		tb, b = span(b, false)
		if c := compareText(ta, tb); c != 0 {
			return c
		}
		ta, a = span(a, true)
		tb, b = span(b, true)
		ta, tb = strings.TrimLeft(ta, "0"), strings.TrimLeft(tb, "0")
		if c := cmp.Or(cmp.Compare(len(ta), len(tb)), cmp.Compare(ta, tb)); c != 0 {
			return c
		}
	}
	return 0
}

// span splits s after its leading digits, or non-digits.
func span(s string, digits bool) (head, tail string) {
	i := 0
	for i < len(s) && isDigit(s[i]) == digits {
		i++
	}
	return s[:i], s[i:]
}

func compareText(a, b string) int {
	for i := range max(len(a), len(b)) {
		if c := cmp.Compare(weight(a, i), weight(b, i)); c != 0 {
			return c
		}
	}
	return 0
}

func weight(s string, i int) int {
	switch {
	case i >= len(s):
		return 0
	case s[i] == '~':
		return -1
	case s[i] >= 'a' && s[i] <= 'z' || s[i] >= 'A' && s[i] <= 'Z':
		return int(s[i])
	}
	return int(s[i]) + 256
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }
