package cmutate

import (
	"cmp"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// edit is a change of one place in a function.
type edit struct {
	from, to int
	text     string
	what     string // in words
}

// edits are all that the operators make of a function. Its code is the text with blanks in
// the place of comments and strings.
func edits(code string) (all []edit) {
	body := strings.Index(code, "\n{") + 2
	all = append(all, conditions(code, body)...)
	for _, o := range operators {
		n := 0
		for _, at := range o.find.FindAllStringSubmatchIndex(code[body:], -1) {
			from, to := body+at[2], body+at[3]
			if o.skip != nil && o.skip(code, from, to) {
				continue
			}
			n++
			for _, text := range o.change(code[from:to]) {
				all = append(all, edit{from, to, text, fmt.Sprintf("%s %d, %s, becomes %s", o.name, n, strings.TrimSpace(code[from:to]), cmp.Or(text, "nothing"))})
			}
		}
	}
	all = append(all, statements(code, body)...)
	return append(all, orders(code, body)...)
}

// operator replaces tokens.
type operator struct {
	name   string
	find   *regexp.Regexp // the first group is the token
	change func(token string) []string
	skip   func(code string, from, to int) bool
}

var compared = map[string]string{
	"<": "<=", "<=": "<", ">": ">=", ">=": ">", "==": "!=", "!=": "==", "&&": "||", "||": "&&",
}

var operators = []operator{
	{
		"comparison", regexp.MustCompile(` (<=|>=|==|!=|<|>|&&|\|\|) ?\n?`),
		func(t string) []string { return []string{compared[t]} }, aloneInCondition,
	},
	{"number", regexp.MustCompile(`[^\w.](\d+)\b`), func(t string) []string {
		n, err := strconv.Atoi(t)
		if err != nil {
			return nil
		}
		return []string{strconv.Itoa(n + 1), "(" + strconv.Itoa(n-1) + ")"}
	}, nil},
	{"errno", regexp.MustCompile(`(-E[A-Z0-9]+)\b`), func(t string) []string {
		other := "-EINVAL"
		if t == other {
			other = "-EBADF"
		}
		return []string{other, "0"}
	}, nil},
	{"flag", regexp.MustCompile(`\b(BPF_F_(?:REPLACE|BEFORE|AFTER|ID|LINK|QUERY_EFFECTIVE))\b`), func(string) []string { return []string{"0"} }, nil},
	{"truth", regexp.MustCompile(`\b(true|false)\b`), func(t string) []string {
		return []string{map[string]string{"true": "false", "false": "true"}[t]}
	}, nil},
	{"case", regexp.MustCompile(`\n(\tcase BPF_(?:NETKIT|TCX|PROG_TYPE_SCHED_CLS)\w*:)`), func(string) []string { return []string{""} }, nil},
	{"complement", regexp.MustCompile(`& (~)`), func(string) []string { return []string{""} }, nil},
}

// aloneInCondition reports whether an equality is all of a condition, to turn which round is a
// mutant already.
func aloneInCondition(code string, from, to int) bool {
	if t := code[from:to]; t != "==" && t != "!=" {
		return false
	}
	line := code[strings.LastIndexByte(code[:from], '\n')+1:]
	line, _, _ = strings.Cut(line, "\n")
	return strings.Contains(line, "if (") && !strings.Contains(line, "&&") && !strings.Contains(line, "||")
}

var condition = regexp.MustCompile(`\b(if|while) (\()`)

// conditions turns conditions round, and has them always and never hold; of those with
// several parts, each part.
func conditions(code string, body int) (all []edit) {
	for n, at := range condition.FindAllStringSubmatchIndex(code[body:], -1) {
		open := body + at[4]
		end := closing(code, open)
		name := fmt.Sprintf("condition %d", n+1)
		inner := code[open+1 : end]
		all = append(
			all, edit{open + 1, end, "!(" + inner + ")", name + " is turned round"},
			edit{open + 1, end, "1 || (" + inner + ")", name + " always holds"},
			edit{open + 1, end, "0 && (" + inner + ")", name + " never holds"},
		)
		parts, op := split(code, open+1, end)
		for i, p := range parts {
			if len(parts) > 1 {
				neutral := map[string]string{"&&": "1", "||": "0"}[op]
				all = append(all, edit{p[0], p[1], neutral, fmt.Sprintf("%s lacks its part %d", name, i+1)})
			}
		}
	}
	return all
}

// split splits a condition at its outermost operators.
func split(code string, from, to int) (parts [][2]int, op string) {
	depth, begin := 0, from
	for i := from; i < to; i++ {
		switch c := code[i]; {
		case c == '(':
			depth++
		case c == ')':
			depth--
		case depth == 0 && (strings.HasPrefix(code[i:to], "&&") || strings.HasPrefix(code[i:to], "||")):
			if op != "" && op != code[i:i+2] {
				return nil, ""
			}
			op = code[i : i+2]
			parts = append(parts, [2]int{begin, i})
			begin = i + 2
			i++
		}
	}
	return append(parts, [2]int{begin, to}), op
}

// closing returns where the parenthesis ends that begins at open.
func closing(code string, open int) int {
	depth := 0
	for i := open; i < len(code); i++ {
		switch code[i] {
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return len(code)
}

// A statement begins a line; what begins with a type is a declaration.
var (
	statement   = regexp.MustCompile(`(?m)^\t+([a-z_*(][^;{}]*;)[ \t]*$`)
	noStatement = regexp.MustCompile(`^(struct|const|enum|union|static|int|unsigned|long|bool|u\d+|s\d+|size_t|if|for|while|switch|case|default|else|do)\b|^\w+:|^bpf_mprog_foreach|^WARN|^BUILD|^ASSERT|^CLASS|^(idr_preload|spin_|rcu_read|rtnl_)`)
)

var identifier = regexp.MustCompile(`\w+`)

// statements leaves out each statement but the last.
func statements(code string, body int) (all []edit) {
	found := statement.FindAllStringSubmatchIndex(code[body:], -1)
	for n, at := range found {
		from, to := body+at[2], body+at[3]
		text := code[from:to]
		if noStatement.MatchString(text) || n == len(found)-1 && strings.HasPrefix(text, "return") {
			continue
		}
		word := identifier.FindString(text)
		all = append(all, edit{from, to, ";", fmt.Sprintf("statement %d (%s) is left out", n+1, word)})
	}
	return all
}

// oneCheck is a check and what follows from it, in one line each or in braces.
var oneCheck = regexp.MustCompile(`(?m)^(\t+)if \([^;{}]*\)\n\t+(?:return|goto)[^;{}]*;\n|^(\t+)if \([^;{}]*\) \{\n(?:\t+[^{}\n]*\n)+?\t+\}\n`)

// orders changes the order of two checks.
func orders(code string, body int) (all []edit) {
	found := oneCheck.FindAllStringIndex(code[body:], -1)
	for n := 1; n < len(found); n++ {
		a, b := found[n-1], found[n]
		if a[1] != b[0] {
			continue
		}
		from, mid, to := body+a[0], body+a[1], body+b[1]
		all = append(all, edit{from, to, code[mid:to] + code[from:mid], fmt.Sprintf("check %d comes in front of check %d", n+1, n)})
	}
	return all
}
