package explore

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/nkconform/nkconform/explore/internal/search"
)

// A schedule is written as who goes on, and how far:
//
//	ours:3      ours makes three calls
//	ours#1:2    twice the second of the calls that goroutines of ours wait with
//	ours!       ours is killed
//	ours~ENOMEM ours's next call is refused
//	ours?EINTR  it is made, but answered so
//	*delete-nk0 an event
//
// joined by commas.

// write writes a schedule.
func (w *World) write(path []search.Action) string {
	var parts []string
	for i := 0; i < len(path); {
		a, n := path[i], 1
		for i+n < len(path) && a.Kind == search.Call && path[i+n] == a {
			n++
		}
		parts = append(parts, w.action(a, n))
		i += n
	}
	return strings.Join(parts, ",")
}

func (w *World) action(a search.Action, n int) string {
	if a.Kind == search.Event {
		return "*" + strings.ReplaceAll(w.events[a.N].name, " ", "-")
	}
	s := w.agents[a.Agent].name
	if a.N > 0 {
		s += "#" + strconv.Itoa(int(a.N))
	}
	switch a.Kind {
	case search.Crash:
		return s + "!"
	case search.Fail:
		return s + "~" + w.faultName(a)
	case search.Lose:
		return s + "?" + w.faultName(a)
	}
	return s + ":" + strconv.Itoa(n)
}

// faultName names a fault, with its number where an earlier one has the same errno.
func (w *World) faultName(a search.Action) string {
	faults := w.agents[a.Agent].faults
	name := faults[a.Fault].errno.String()
	for _, f := range faults[:a.Fault] {
		if f.errno == faults[a.Fault].errno && f.lost == faults[a.Fault].lost {
			return name + "." + strconv.Itoa(int(a.Fault))
		}
	}
	return name
}

// read is the inverse of write.
func (w *World) read(schedule string) (path []search.Action, err error) {
	for part := range strings.SplitSeq(schedule, ",") {
		if part == "" {
			continue
		}
		list, err := w.readPart(part)
		if err != nil {
			return nil, fmt.Errorf("replay %q: %w", part, err)
		}
		path = append(path, list...)
	}
	return path, nil
}

func (w *World) readPart(part string) ([]search.Action, error) {
	if event, ok := strings.CutPrefix(part, "*"); ok {
		for i, e := range w.events {
			if strings.ReplaceAll(e.name, " ", "-") == event {
				return []search.Action{{Agent: -1, Kind: search.Event, N: uint8(i)}}, nil
			}
		}
		return nil, fmt.Errorf("there is no event %s", event)
	}
	at := strings.LastIndexAny(part, ":!~?")
	if at < 0 {
		return nil, fmt.Errorf("expected AGENT!, AGENT~ERRNO, AGENT?ERRNO, *EVENT or AGENT:CALLS")
	}
	name, rest := part[:at], part[at+1:]
	name, goroutine, _ := strings.Cut(name, "#")
	var a search.Action
	a.Agent = -1
	for i, other := range w.agents {
		if other.name == name {
			a.Agent = int8(i)
		}
	}
	if a.Agent < 0 {
		return nil, fmt.Errorf("no agent is called %s", name)
	}
	if goroutine != "" {
		n, err := strconv.ParseUint(goroutine, 10, 8)
		if err != nil {
			return nil, fmt.Errorf("%s is no number of a goroutine", goroutine)
		}
		a.N = uint8(n)
	}
	switch part[at] {
	case '!':
		a.Kind = search.Crash
		return []search.Action{a}, nil
	case ':':
		n, err := strconv.Atoi(rest)
		if err != nil || n < 1 || n > 1<<20 {
			return nil, fmt.Errorf("%q is no number of calls", rest)
		}
		list := make([]search.Action, n)
		for i := range list {
			list[i] = a
		}
		return list, nil
	}
	a.Kind = search.Fail
	if part[at] == '?' {
		a.Kind = search.Lose
	}
	for i, f := range w.agents[a.Agent].faults {
		a.Fault = uint8(i)
		if f.lost == (a.Kind == search.Lose) && w.faultName(a) == rest {
			return []search.Action{a}, nil
		}
	}
	return nil, fmt.Errorf("%s has no fault of %s", name, rest)
}
