package page

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/nkconform/nkconform/internal/picture"
)

// Pick is what is taken up: a program, a link, or an entry of a list.
type Pick struct {
	Prog, Link, Hook string // Hook "": it is not taken from a list
	ByLink           bool   // attach through a new link
	After            bool   // name the neighbour in front, not the one behind
	ByID             bool   // name the neighbour by its id
	Preorder         bool   // in a cgroup: run in front
}

// Place is where it is put.
type Place struct {
	Hook string
	Gap  int    // in front of which entry; as many as there are: behind the last
	Over bool   // onto that entry, in its place
	Off  bool   // nowhere: off its hook
	Link string // onto a link
}

// drop says the statements that put something somewhere.
func (a *App) drop(pick Pick, place Place) error {
	lines, err := a.propose(pick, place)
	if err != nil {
		return err
	}
	if err := a.say(strings.Join(lines, "\n")); err != nil {
		return err
	}
	if a.mistake != nil {
		reason := a.mistake.Reason
		a.mistake = nil // nobody has typed it
		return errors.New(reason)
	}
	if len(lines) > 1 {
		a.note = "The kernel cannot move a program: it was detached and attached again, and the revision has grown by two."
	}
	return nil
}

// propose finds the statements that put something somewhere.
func (a *App) propose(pick Pick, place Place) ([]string, error) {
	state := a.current()
	own := map[string]string{} // fds of the first process, by the link's name
	for _, l := range state.Links {
		own[l.Name] = l.Own()
	}
	switch {
	case place.Off && own[pick.Link] != "" && pick.Hook != "":
		return []string{"link-detach " + own[pick.Link]}, nil
	case place.Off && pick.Hook != "": // which is refused, if somebody else's link owns it
		return []string{"detach " + pick.Hook + " " + pick.Prog}, nil
	case place.Off && own[pick.Link] != "":
		return []string{"close " + own[pick.Link]}, nil
	case place.Off && pick.Link != "" || place.Link != "" && own[place.Link] == "":
		return nil, errors.New("no fd of that link is open here")
	case place.Off:
		return []string{"close " + pick.Prog}, nil
	case place.Link != "" && pick.Prog == "":
		return nil, errors.New("a link is no program that another link could take")
	case place.Link != "":
		return []string{"link-update " + own[place.Link] + " " + pick.Prog}, nil
	}
	h := state.Hook(place.Hook)
	if h == nil {
		return nil, fmt.Errorf("there is no hook %s any more", place.Hook)
	}
	if place.Gap < 0 || place.Gap > len(h.Entries) || place.Over && place.Gap == len(h.Entries) {
		return nil, fmt.Errorf("%s has no such place any more", place.Hook)
	}
	if pick.Link != "" {
		return nil, errors.New("a link stays where it was made: close or detach it, and make a new one elsewhere; what can change is its program: drop one on it")
	}
	if place.Over {
		e := h.Entries[place.Gap]
		if own[e.Link] != "" {
			return []string{"link-update " + own[e.Link] + " " + pick.Prog}, nil
		}
		return []string{over(h, pick, e.Prog)}, nil
	}
	var lines []string
	entries := h.Entries
	if pick.Hook != "" { // a move, which is two calls
		lines = append(lines, "detach "+pick.Hook+" "+pick.Prog)
		if pick.Hook == place.Hook {
			entries, place.Gap = without(entries, pick.Prog, place.Gap)
		}
	}
	verb := "attach " + place.Hook
	if pick.ByLink {
		verb = "link " + a.freeName("l", 1) + " " + place.Hook
	}
	where := beside(entries, place.Gap, pick)
	if h.Cgroup != "" {
		where = besideInCgroup(h, entries, place.Gap, pick)
	}
	return append(lines, verb+" "+pick.Prog+where), nil
}

// beside writes the flags that say a place.
func beside(entries []picture.Entry, gap int, pick Pick) string {
	flag, at := "before", gap
	if pick.After {
		flag, at = "after", gap-1
	}
	switch {
	case pick.After && gap == 0, !pick.After && gap == len(entries):
		if len(entries) == 0 || !pick.After {
			return ""
		}
		return " flags=before"
	case !pick.After && gap == 0 && !pick.ByID:
		return " flags=before"
	case pick.After && gap == len(entries) && !pick.ByID:
		return " flags=after"
	}
	e := entries[at]
	key := "relative_fd"
	if pick.ByID {
		key, flag = "relative_id", flag+"+id"
	}
	return " flags=" + flag + " " + key + "=" + e.Prog
}

// without leaves an entry out, and tells where a gap is then.
func without(entries []picture.Entry, prog string, gap int) ([]picture.Entry, int) {
	var list []picture.Entry
	at := gap
	for i, e := range entries {
		if e.Prog == prog && e.Link == "" {
			if i < gap {
				at--
			}
			continue
		}
		list = append(list, e)
	}
	return list, at
}

// current is what there is, as one sees it.
func (a *App) current() picture.State {
	if a.at() == 0 {
		return picture.State{}
	}
	return a.steps[a.at()-1].State
}

// freeName returns a prefix with the first number that makes it a name of nothing.
func (a *App) freeName(prefix string, n int) string {
	for ; a.session.Reader().Declared(prefix + strconv.Itoa(n)); n++ {
	}
	return prefix + strconv.Itoa(n)
}

// freeLetter returns a name for a program: a letter, else p1, p2 and so on.
func (a *App) freeLetter() string {
	for c := 'a'; c <= 'k'; c++ {
		if !a.session.Reader().Declared(string(c)) {
			return string(c)
		}
	}
	return a.freeName("p", 1)
}
