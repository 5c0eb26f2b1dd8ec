package trace

import "slices"

// Matches reports whether what came is one of the answer's outcomes. An
// outcome that leaves out a field or the list accepts any. Who does not know by which rule
// a call was refused need not say it.
func (a Answer) Matches(came Outcome) bool {
	if a.Any {
		return true
	}
	if len(a.Outcomes) == 0 {
		return came.Errno == 0
	}
	return slices.ContainsFunc(a.Outcomes, func(o Outcome) bool { return o.matches(came) })
}

func (o Outcome) matches(came Outcome) bool {
	if o.Errno != came.Errno || o.Rule != "" && came.Rule != "" && o.Rule != came.Rule {
		return false
	}
	for _, f := range o.Fields {
		if v, ok := came.Field(f.Name); !ok || v != f.Value {
			return false
		}
	}
	if !o.Listed {
		return true
	}
	same := slices.Equal(o.List, came.List) || slices.Equal(ExpandList(o.List), ExpandList(came.List))
	return came.Listed && same
}

// ExpandList writes out the ranges in a list.
func ExpandList(list []Entry) []Entry {
	var all []Entry
	for _, e := range list {
		progs, err := Expand(e.Prog)
		if err != nil || e.Link != "" && len(progs) > 1 {
			progs = []string{e.Prog}
		}
		for _, p := range progs {
			all = append(all, Entry{p, e.Link})
		}
	}
	return all
}

// CompressList writes runs of four and more numbered programs as ranges, the
// inverse of ExpandList.
func CompressList(list []Entry) []Entry {
	out := []Entry{}
	for i := 0; i < len(list); {
		n := runLength(list[i:])
		if n < 4 {
			out = append(out, list[i])
			i++
			continue
		}
		out = append(out, Entry{Prog: list[i].Prog + ".." + list[i+n-1].Prog})
		i += n
	}
	return out
}

// runLength is how many entries at the front are p7, p8, p9 and so on.
func runLength(list []Entry) int {
	prefix, first, ok := splitNumber(list[0].Prog)
	if !ok || list[0].Link != "" {
		return 1
	}
	n := 1
	for n < len(list) && list[n].Link == "" {
		p, v, ok := splitNumber(list[n].Prog)
		if !ok || p != prefix || v != first+n {
			break
		}
		n++
	}
	return n
}
