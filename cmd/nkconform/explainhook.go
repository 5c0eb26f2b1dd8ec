package main

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/nkconform/nkconform/trace"
)

var hookSyntax = regexp.MustCompile(`^([^\s:]+):(\S+)\s*(?:\[([^\]]*)\])?\s*(?:revision\s+(\d+))?$`)

// stageHook writes a trace that leads to a hook in the state described, followed
// by statements, and returns the line of the first of them.
func stageHook(description string, statements []string) (text string, first int, err error) {
	m := hookSyntax.FindStringSubmatch(strings.TrimSpace(description))
	if m == nil {
		return "", 0, fmt.Errorf("hook %q: expected for example 'nk0:primary [a b@l] revision 4'", description)
	}
	hook := m[1] + ":" + m[2]
	_, at, err := trace.SplitHook(hook)
	if err != nil {
		return "", 0, fmt.Errorf("hook %q: %w", description, err)
	}
	entries := strings.Fields(m[3])
	revision := len(entries) + 1
	if m[4] != "" {
		if revision, err = strconv.Atoi(m[4]); err != nil {
			return "", 0, fmt.Errorf("hook %q: %w", description, err)
		}
	}
	extra := revision - len(entries) - 1
	if extra < 0 || extra > 10000 || extra == 1 && len(entries) == 0 || extra > 0 && len(entries) == 0 && at.TCX() {
		return "", 0, fmt.Errorf("hook %q: no calls lead to revision %d with %d programs", description, revision, len(entries))
	}
	var lines []string
	kind, multi := "", "" // of programs, and the flag by which there may be several
	switch {
	case at.Netkit():
		lines = append(lines, "netkit "+m[1]+" "+m[1][:min(len(m[1]), 10)]+"-peer")
	case at.Cgroup():
		lines, multi = append(lines, "cgroup "+m[1]), "multi"
		kind = " type=" + trace.FormatProgType(at.CgroupProgType()) + " return=1 expected_attach_type=" + at.String()
	case m[1] != "lo":
		lines = append(lines, "device "+m[1])
	}
	progs := []string{"spare_1", "spare_2"}
	var links []string
	for _, e := range entries {
		prog, link, owned := strings.Cut(e, "@")
		if progs = append(progs, prog); owned {
			links = append(links, link)
		}
	}
	for _, p := range mentioned(statements) {
		if !slices.Contains(progs, p) && !slices.Contains(links, p) && p != m[1] {
			progs = append(progs, p)
		}
	}
	lines = append(lines, "prog "+strings.Join(progs, " ")+kind)
	lines = append(lines, attachAll(hook, entries, extra, multi)...)
	first = len(lines) + 1
	return strings.Join(append(lines, statements...), "\n") + "\n", first, nil
}

// attachAll attaches a list, so that the hook is at a revision higher by extra
// than the list alone would make it: the first entry is replaced so many times. Flag is
// what every program is attached with, "" for none.
func attachAll(hook string, entries []string, extra int, flag string) (lines []string) {
	spare := func(n int) string { return "spare_" + strconv.Itoa(n%2+1) }
	with, replace := "", "flags=replace"
	if flag != "" {
		with, replace = " flags="+flag, replace+"+"+flag
	}
	if len(entries) == 0 && extra > 0 {
		lines = append(lines, "attach "+hook+" "+spare(0)+with)
		for n := range extra - 2 {
			lines = append(lines, fmt.Sprintf("attach %s %s %s replace_bpf_fd=%s", hook, spare(n+1), replace, spare(n)))
		}
		return append(lines, "detach "+hook+" "+spare(extra-2))
	}
	for i, e := range entries {
		prog, link, owned := strings.Cut(e, "@")
		attached := prog
		if i == 0 && extra > 0 {
			attached = spare(0)
		}
		if owned {
			lines = append(lines, fmt.Sprintf("link %s %s %s", link, hook, attached))
		} else {
			lines = append(lines, "attach "+hook+" "+attached+with)
		}
		if i > 0 {
			continue
		}
		for n := range extra {
			next := spare(n + 1)
			if n == extra-1 {
				next = prog
			}
			if owned {
				lines = append(lines, fmt.Sprintf("link-update %s %s", link, next))
			} else {
				lines = append(lines, fmt.Sprintf("attach %s %s %s replace_bpf_fd=%s", hook, next, replace, spare(n)))
			}
		}
	}
	return lines
}

// mentioned lists the programs that statements may name: what is an fd or an id
// in them, and no number.
func mentioned(statements []string) (names []string) {
	made := map[string]bool{}
	add := func(word string) {
		if trace.IsName(word) && !made[word] && !slices.Contains(names, word) {
			names = append(names, word)
		}
	}
	for _, s := range statements {
		call, _, _ := strings.Cut(s+" ", " = ")
		call, _, _ = strings.Cut(call, " ! ")
		words := strings.Fields(call)
		if len(words) == 0 {
			continue
		}
		for i, w := range words[1:] {
			key, value, isParam := strings.Cut(w, "=")
			switch {
			case isParam && (strings.HasSuffix(key, "_fd") || strings.HasSuffix(key, "_id")):
				add(value)
			case isParam || strings.Contains(w, ":") || strings.HasPrefix(w, "/"):
			case i == 0 && slices.Contains([]string{"link", "prog", "dup", "get", "prog-fd", "link-fd", "process", "netns", "exit"}, words[0]):
				made[w] = true
			default:
				add(w)
			}
		}
	}
	return names
}
