package link_test

import "github.com/nkconform/nkconform/mprog"

// Shorthand for sameCases.
var (
	head, tail = place{side: "head"}, place{side: "tail"}
)

func before(prog string) place { return place{side: "before", prog: prog} }
func after(prog string) place  { return place{side: "after", prog: prog} }

func attach(link, prog string, at place) call {
	return call{op: "Attach", link: link, prog: prog, at: at}
}
func raw(prog string, at place) call    { return call{op: "RawAttach", prog: prog, at: at} }
func detach(prog string, at place) call { return call{op: "RawDetach", prog: prog, at: at} }
func onLink(op, link string) call       { return call{op: op, link: link} }
func update(link, prog string) call     { return call{op: "Update", link: link, prog: prog} }

// elsewhere makes the call on another device.
func elsewhere(ifindex int, c call) call {
	c.ifindex = ifindex
	return c
}

func expecting(revision uint64, c call) call {
	c.revision = revision
	return c
}

func flagged(flags mprog.Flags, c call) call {
	c.flags = uint32(flags)
	return c
}

var sameCases = []struct {
	name  string
	calls []call
}{
	{"links in order", []call{
		attach("l1", "a", place{}), attach("l2", "b", head), attach("l3", "c", tail),
		attach("l4", "d", before("a")), attach("l5", "e", after("b")),
		attach("l6", "f", place{side: "before", link: "l3"}), attach("l7", "g", place{side: "after", link: "l1"}),
		onLink("Close", "l4"), onLink("Close", "l4"), onLink("Detach", "l5"), onLink("Detach", "l5"),
	}},
	{"anchors by id", []call{
		raw("a", place{}), attach("l", "b", place{side: "before", prog: "a", byID: true}),
		raw("c", place{side: "after", link: "l", byID: true}), raw("d", place{side: "before", link: "l", byID: true}),
		raw("e", place{side: "after", prog: "a", byID: true}),
	}},
	{"raw", []call{
		raw("a", place{}), raw("b", head), raw("a", tail), raw("c", before("x")), raw("c", after("a")),
		detach("x", place{}), detach("b", before("a")), detach("a", place{}), detach("c", tail), detach("c", place{}),
	}},
	{"replace", []call{
		raw("a", place{}), raw("b", place{}), raw("c", place{side: "replace", prog: "a"}),
		raw("d", place{side: "replace", prog: "a"}), raw("b", place{side: "replace", prog: "b"}),
		attach("l", "e", place{}), raw("f", place{side: "replace", prog: "e"}),
		attach("m", "g", place{side: "replace", prog: "b"}), detach("b", place{side: "replace", prog: "b"}),
	}},
	{"replace by id", []call{
		{op: "high ids"}, raw("a", place{}), raw("b", place{side: "replace", prog: "a", byID: true}),
		attach("l", "b", place{side: "replace", prog: "a", byID: true}),
		detach("a", place{side: "replace", prog: "a", byID: true}),
	}},
	{"revision", []call{
		expecting(1, attach("l", "a", place{})), expecting(1, attach("m", "b", place{})), expecting(2, attach("m", "b", place{})),
		expecting(2, raw("c", place{})), expecting(3, raw("c", place{})), expecting(3, detach("c", place{})),
		expecting(4, detach("c", place{})),
	}},
	{"benign", []call{
		attach("l", "a", place{}), attach("m", "a", place{}), raw("a", place{}), detach("a", place{}),
	}},
	{"update", []call{
		attach("l", "a", place{}), raw("b", place{}), update("l", "c"), update("l", "c"), update("l", "b"),
		{op: "UpdateArgs", link: "l", prog: "d", old: "a"},
		{op: "UpdateArgs", link: "l", prog: "d", old: "a", flags: uint32(mprog.Replace)},
		{op: "UpdateArgs", link: "l", prog: "d", old: "c", flags: uint32(mprog.Replace)},
		{op: "UpdateArgs", link: "l", prog: "e", flags: 1},
		onLink("Info", "l"), onLink("Detach", "l"), update("l", "a"), onLink("Info", "l"),
	}},
	{"device", []call{
		elsewhere(999, attach("l", "a", place{})), elsewhere(-1, attach("l", "a", place{})),
		elsewhere(999, raw("a", place{})), elsewhere(-1, raw("a", place{})),
		elsewhere(999, detach("a", place{})), elsewhere(999, call{op: "Query"}), elsewhere(-1, call{op: "Query"}),
		{op: "Query", query: 1}, {op: "Query", query: 2},
	}},
	{"flags", []call{
		flagged(mprog.Before, attach("l", "a", place{})), flagged(mprog.Link, attach("l", "a", place{})),
		flagged(mprog.Replace, raw("a", place{})), flagged(mprog.ID, raw("a", head)), flagged(mprog.After, detach("a", place{})),
		flagged(1, attach("l", "a", place{})), flagged(1, raw("a", place{})),
		flagged(1, attach("l", "a", tail)), flagged(1, raw("b", tail)), flagged(1, detach("a", place{})),
	}},
	{"wrong type", []call{
		attach("l", "xdp", place{}), raw("xdp", place{}), detach("xdp", place{}), raw("a", place{}),
		attach("l", "b", before("xdp")), update("l", "xdp"), attach("l", "b", place{}), update("l", "xdp"),
	}},
	{"closed", []call{
		attach("l", "a", place{}), {op: "CloseProgram", prog: "b"}, {op: "CloseProgram", prog: "b"},
		attach("m", "b", place{}), raw("b", place{}), detach("b", place{}), update("l", "b"),
		{op: "UpdateArgs", link: "l", prog: "c", old: "b"},
		attach("m", "c", before("b")), raw("c", after("b")), detach("a", before("b")),
		onLink("Close", "l"), raw("c", place{side: "before", link: "l"}),
		update("l", "c"), onLink("Detach", "l"), onLink("Info", "l"), onLink("Close", "l"),
	}},
	{"nil", []call{
		attach("l", "nil", place{}), elsewhere(-1, attach("l", "nil", place{})), flagged(mprog.ID, raw("nil", place{})),
		raw("nil", place{}), detach("nil", place{}), attach("l", "a", before("nil")),
		attach("l", "a", place{side: "before", link: "nil"}), attach("l", "a", place{}), update("l", "nil"),
	}},
	{"pins", []call{
		attach("l", "a", place{}), {op: "Pin", link: "l", path: "/sys/fs/bpf/p"}, {op: "Pin", link: "l", path: "/sys/fs/bpf/p"},
		onLink("IsPinned", "l"), attach("m", "b", place{}), {op: "Pin", link: "m", path: "/sys/fs/bpf/p"},
		{op: "Pin", link: "m", path: "/sys/fs/bpf/no/p"}, {op: "Pin", link: "m"}, {op: "Pin", link: "m", path: "/p"},
		onLink("Unpin", "m"), onLink("Close", "l"), {op: "LoadPinnedLink", link: "n", path: "/sys/fs/bpf/p"},
		onLink("IsPinned", "n"), onLink("Info", "n"), update("n", "c"),
		{op: "Pin", link: "n", path: "/sys/fs/bpf/q"}, {op: "LoadPinnedLink", link: "o", path: "/sys/fs/bpf/p"},
		{op: "LoadPinnedLink", link: "o", path: "/sys/fs/bpf/q"}, onLink("Unpin", "n"), onLink("Unpin", "o"),
		onLink("Close", "n"), onLink("Close", "o"),
	}},
	{"by id", []call{
		attach("l", "a", place{}), {op: "NewFromID", link: "l2", old: "l"}, onLink("Close", "l"), onLink("Info", "l2"),
		update("l2", "b"), onLink("Close", "l2"), {op: "NewFromID"},
	}},
	{"full", append(fill(), raw("z", place{}), raw("z", place{side: "replace", prog: "p00"}), attach("l", "p00", head),
		detach("p07", place{}), detach("p62", tail), attach("l", "p00", head))},
}

// fill attaches as many programs as a hook takes.
func fill() []call {
	var calls []call
	for i := range mprog.MaxPrograms {
		calls = append(calls, raw("p"+string(rune('0'+i/10))+string(rune('0'+i%10)), place{}))
	}
	return calls
}
