package picture

import "slices"

// Change is what a step did to a hook.
type Change struct {
	Hook          string
	Filters       bool
	Before, After []Entry // those that went are Gone in Before, those that came New in After
	From, To      uint64  // revisions; 0: of filters, or the device was or is not there
	Deleted       bool    // the hook went with its device, or cgroup
	Cgroup        bool    // it is a cgroup's
	Mode          string  // that a cgroup's hook has now; "": it had it before, or is empty
	Runs          bool    // the lists are what runs in a cgroup
}

// changes compares two states, hook by hook.
func changes(before, after State) (list []Change) {
	type key struct {
		name, netns string
		filters     bool
	}
	hooks := func(s State) (keys []key, by map[key]Hook) {
		by = map[key]Hook{}
		for _, d := range s.Devices {
			for _, h := range d.Hooks {
				k := key{h.Name, h.Netns, h.Filters}
				keys, by[k] = append(keys, k), h
			}
		}
		for _, c := range s.Cgroups {
			for _, h := range c.Hooks {
				k := key{name: h.Name}
				keys, by[k] = append(keys, k), h
			}
		}
		return keys, by
	}
	had, old := hooks(before)
	has, now := hooks(after)
	moved := map[string]bool{} // devices that are in another network namespace now
	for _, k := range has {
		if _, was := old[k]; !was {
			moved[k.name] = true
		}
	}
	for _, k := range had {
		was := old[k]
		is, stays := now[k]
		if !stays && (moved[k.name] || len(was.Entries) == 0) {
			continue
		}
		if stays && was.Revision == is.Revision && Same(was.Entries, is.Entries) {
			continue
		}
		if stays && len(was.Entries) == 0 && len(is.Entries) == 0 && is.Revision == 1 {
			continue // its storage went, which nothing was in
		}
		c := Change{Hook: k.name, Filters: k.filters, From: was.Revision, To: is.Revision, Deleted: !stays, Cgroup: was.Cgroup != ""}
		if is.Mode != was.Mode {
			c.Mode = is.Mode
		}
		c.Before = marked(was.Entries, is.Entries, func(e *Entry) { e.Gone = true })
		c.After = marked(is.Entries, was.Entries, func(e *Entry) { e.New = true })
		list = append(list, c)
	}
	for _, k := range has { // filters come with their qdisc, hooks of cgroups with the first program
		is := now[k]
		if _, was := old[k]; was || !k.filters && is.Cgroup == "" || len(is.Entries) == 0 {
			continue
		}
		c := Change{Hook: k.name, Filters: k.filters, Before: []Entry{}, Cgroup: is.Cgroup != "", Mode: is.Mode}
		if c.Cgroup {
			c.From, c.To = 1, is.Revision
		}
		c.After = marked(is.Entries, nil, func(e *Entry) { e.New = true })
		list = append(list, c)
	}
	return append(list, runs(before, after)...)
}

// marked copies a list and marks what the other one lacks.
func marked(list, other []Entry, mark func(*Entry)) []Entry {
	out := make([]Entry, len(list))
	for i, e := range list {
		out[i] = e
		found := false
		for _, o := range other {
			found = found || o.same(e)
		}
		if !found {
			mark(&out[i])
		}
	}
	return out
}

// same says whether an entry is another one, too, as it was or will be.
func (e Entry) same(o Entry) bool { return e.Prog == o.Prog && e.Link == o.Link && e.On == o.On }

// Same says whether two lists are of the same entries.
func Same(a, b []Entry) bool { return slices.EqualFunc(a, b, Entry.same) }
