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
	if _, _, err := trace.SplitHook(hook); err != nil {
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
	if extra < 0 || extra > 10000 || extra == 1 && len(entries) == 0 || extra > 0 && len(entries) == 0 && m[2] != "primary" && m[2] != "peer" {
		return "", 0, fmt.Errorf("hook %q: no calls lead to revision %d with %d programs", description, revision, len(entries))
	}
	var lines []string
	switch m[2] {
	case "primary", "peer":
		lines = append(lines, "netkit "+m[1]+" "+m[1][:min(len(m[1]), 10)]+"-peer")
	default:
		if m[1] != "lo" {
			lines = append(lines, "device "+m[1])
		}
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
	lines = append(lines, "prog "+strings.Join(progs, " "))
	lines = append(lines, attachAll(hook, entries, extra)...)
	first = len(lines) + 1
	return strings.Join(append(lines, statements...), "\n") + "\n", first, nil
}

// attachAll attaches a list, so that the hook is at a revision higher by extra
// than the list alone would make it: the first entry is replaced so many times.
func attachAll(hook string, entries []string, extra int) (lines []string) {
	spare := func(n int) string { return "spare_" + strconv.Itoa(n%2+1) }
	if len(entries) == 0 && extra > 0 {
		lines = append(lines, "attach "+hook+" "+spare(0))
		for n := range extra - 2 {
			lines = append(lines, fmt.Sprintf("attach %s %s flags=replace replace_bpf_fd=%s", hook, spare(n+1), spare(n)))
		}
		return append(lines, "detach "+hook)
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
			lines = append(lines, fmt.Sprintf("attach %s %s", hook, attached))
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
				lines = append(lines, fmt.Sprintf("attach %s %s flags=replace replace_bpf_fd=%s", hook, next, spare(n)))
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
