package picture

// Change is what a step did to a hook.
type Change struct {
	Hook          string
	Filters       bool
	Before, After []Entry // those that went are Gone in Before, those that came New in After
	From, To      uint64  // revisions; 0: of filters, or the device was or is not there
	Deleted       bool    // the hook went with its device
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
		if stays && was.Revision == is.Revision && same(was.Entries, is.Entries) {
			continue
		}
		if stays && len(was.Entries) == 0 && len(is.Entries) == 0 && is.Revision == 1 {
			continue // its storage went, which nothing was in
		}
		c := Change{Hook: k.name, Filters: k.filters, From: was.Revision, To: is.Revision, Deleted: !stays}
		c.Before = marked(was.Entries, is.Entries, func(e *Entry) { e.Gone = true })
		c.After = marked(is.Entries, was.Entries, func(e *Entry) { e.New = true })
		list = append(list, c)
	}
	for _, k := range has { // filters come with their qdisc
		if _, was := old[k]; !was && k.filters && len(now[k].Entries) > 0 {
			c := Change{Hook: k.name, Filters: true, Before: []Entry{}}
			c.After = marked(now[k].Entries, nil, func(e *Entry) { e.New = true })
			list = append(list, c)
		}
	}
	return list
}

// marked copies a list and marks what the other one lacks.
func marked(list, other []Entry, mark func(*Entry)) []Entry {
	out := make([]Entry, len(list))
	for i, e := range list {
		out[i] = e
		found := false
		for _, o := range other {
			found = found || o.Prog == e.Prog && o.Link == e.Link
		}
		if !found {
			mark(&out[i])
		}
	}
	return out
}

func same(a, b []Entry) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i].Prog != b[i].Prog || a[i].Link != b[i].Link {
			return false
		}
	}
	return true
}
