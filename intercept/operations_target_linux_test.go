//go:build amd64 || arm64

package intercept

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/intercept/layout"
)

// operator makes TCP congestion controls out of programs, and prints what the kernel says.
type operator struct {
	value, structure uint32 // ids of types
	size, data       uint32
	members          []layout.Member
	types            *layout.Types
	btf              int
}

const (
	structOpsType = 27 // BPF_PROG_TYPE_STRUCT_OPS
	structOpsHook = 44 // BPF_STRUCT_OPS
	linkFlag      = 1 << 13
)

func operationsTarget() error {
	types, err := layout.Running()
	if err != nil {
		return err
	}
	o := &operator{types: types, value: types.StructureID("bpf_struct_ops_tcp_congestion_ops")}
	if o.value == 0 {
		fmt.Println("no congestion controls of programs in this kernel")
		return nil
	}
	_, size, members, _ := types.Members(o.value)
	o.size, o.structure, o.data = size, members[1].Type, members[1].Offset
	_, _, o.members, _ = types.Members(o.structure)
	// BTF of one type, an int, and of one name.
	data := append(words(0x0001eb9f, 24, 0, 16, 16, 5, 1, 1<<24, 4, 1<<24|32), "\x00int\x00"...)
	low, high := address(&data[0])
	if o.btf, err = bpfCall(18, words(low, high, 0, 0, uint32(len(data)), 0, 0)); err != nil {
		return fmt.Errorf("btf: %w", err)
	}
	return errors.Join(o.creating(), o.values(), o.links(), o.updates(), o.unlinked())
}

// create makes a map.
func (o *operator) create(key, value, entries, flags, id uint32) (int, error) {
	return bpfCall(0, words(26, key, value, entries, flags, 0, 0, 0x73706f, 0, 0, 0, 0, uint32(o.btf), 0, 0, id, 0))
}

func (o *operator) made(flags uint32) int {
	fd, err := o.create(4, o.size, 1, flags, o.value)
	if err != nil {
		fmt.Println("create:", errnoText(err))
	}
	return fd
}

func (o *operator) creating() error {
	for _, c := range []struct {
		what                   string
		key, value, n, fl, typ uint32
	}{
		{"key of 8 bytes", 8, o.size, 1, 0, o.value}, {"value too small", 4, o.size - 8, 1, 0, o.value},
		{"two entries", 4, o.size, 2, 0, o.value}, {"no type", 4, o.size, 1, 0, 0}, {"the inner type", 4, o.size, 1, 0, o.structure},
		{"another type", 4, o.size, 1, 0, o.types.StructureID("task_struct")}, {"unknown flag", 4, o.size, 1, 1 << 3, o.value},
		{"right", 4, o.size, 1, 0, o.value}, {"right, for links", 4, o.size, 1, linkFlag, o.value},
	} {
		fd, err := o.create(c.key, c.value, c.n, c.fl, c.typ)
		fmt.Printf("create, %s: %s\n", c.what, errnoText(err))
		if err == nil {
			unix.Close(fd)
		}
	}
	return nil
}

// program loads one for a member of the structure.
func (o *operator) program(member string) int {
	for i, m := range o.members {
		if m.Name != member {
			continue
		}
		il, ih := address(&twoInsns[0])
		ll, lh := address(&gpl[0])
		a := words(structOpsType, 2, il, ih, ll, lh, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, uint32(i), 0, 0, 0, 0, 0, 0, 0, 0, 0, o.structure)
		fd, err := bpfCall(5, a)
		if err != nil {
			fmt.Println("load:", member, errnoText(err))
		}
		return fd
	}
	return -1
}

// fields puts a value together.
func (o *operator) fields(name string, functions map[string]int) []byte {
	p := make([]byte, o.size)
	for _, m := range o.members {
		at := p[o.data+m.Offset:]
		if m.Name == "name" {
			copy(at[:m.Size], name)
		}
		if fd, ok := functions[m.Name]; ok && m.Size == 8 {
			binary.NativeEndian.PutUint64(at, uint64(fd))
		} else if ok {
			binary.NativeEndian.PutUint32(at, uint32(fd))
		}
	}
	return p
}

func element(number, m int, key uint32, value []byte, flags uint64) error {
	k := words(key)
	kl, kh := address(&k[0])
	var vl, vh uint32
	if value != nil {
		vl, vh = address(&value[0])
	}
	_, err := bpfCall(number, words(uint32(m), 0, kl, kh, vl, vh, uint32(flags), 0))
	return err
}

func (o *operator) needed() map[string]int {
	return map[string]int{"ssthresh": o.program("ssthresh"), "undo_cwnd": o.program("undo_cwnd"), "cong_avoid": o.program("cong_avoid")}
}

func (o *operator) state(m int) string {
	value := make([]byte, o.size)
	err := element(1, m, 0, value, 0)
	name := ""
	for _, member := range o.members {
		if member.Name == "name" {
			name = strings.TrimRight(string(value[o.data+member.Offset:][:member.Size]), "\x00")
		}
	}
	return fmt.Sprintf("%s, state %d, %q", errnoText(err), binary.NativeEndian.Uint32(value[4:]), name)
}

func (o *operator) values() error {
	m := o.made(linkFlag)
	fmt.Println("fresh:", o.state(m))
	f := o.needed()
	whole := o.fields("nk_test", f)
	busy := o.fields("nk_test", f)
	busy[4] = 1
	wrong := o.needed()
	wrong["ssthresh"] = wrong["undo_cwnd"]
	nothing := o.needed()
	nothing["ssthresh"] = 4711
	few := o.needed()
	delete(few, "cong_avoid")
	key := o.needed()
	key["key"] = 7
	for _, c := range []struct {
		what  string
		key   uint32
		value []byte
		flags uint64
	}{
		{"flags", 0, whole, 1}, {"index 1", 1, whole, 0}, {"a state", 0, busy, 0}, {"no name", 0, o.fields("", f), 0},
		{"a bad name", 0, o.fields("a b", f), 0}, {"a program of another function", 0, o.fields("nk_test", wrong), 0},
		{"no program", 0, o.fields("nk_test", nothing), 0}, {"too few", 0, o.fields("nk_test", few), 0}, {"a key", 0, o.fields("nk_test", key), 0},
		{"whole", 0, whole, 0}, {"again", 0, whole, 0},
	} {
		fmt.Printf("update, %s: %s\n", c.what, errnoText(element(2, m, c.key, c.value, c.flags)))
	}
	fmt.Println("then:", o.state(m))
	fmt.Println("lookup of 1:", errnoText(element(1, m, 1, make([]byte, o.size), 0)))
	next := make([]byte, 4)
	fmt.Println("next key of 0:", errnoText(element(4, m, 0, next, 0)), "of 5:", errnoText(element(4, m, 5, next, 0)))
	fmt.Println("delete:", errnoText(element(3, m, 0, nil, 0)))
	info := make([]byte, 88)
	low, high := address(&info[0])
	_, err := bpfCall(15, words(uint32(m), uint32(len(info)), low, high))
	at := func(i int) uint32 { return binary.NativeEndian.Uint32(info[i:]) }
	fmt.Println("info:", errnoText(err), at(0), at(16), at(20), at(44) == o.value, at(64) != 0, at(76))
	return unix.Close(m)
}

func (o *operator) ready(name string, flags uint32) int {
	m := o.made(flags)
	if err := element(2, m, 0, o.fields(name, o.needed()), 0); err != nil {
		fmt.Println("update:", name, errnoText(err))
	}
	return m
}

func (o *operator) linked(m int) (int, error) {
	return bpfCall(28, words(uint32(m), 0, structOpsHook, 0))
}

func (o *operator) about(what string, l int, m int) {
	info, mi := make([]byte, 64), make([]byte, 88)
	low, high := address(&info[0])
	_, err := bpfCall(15, words(uint32(l), uint32(len(info)), low, high))
	low, high = address(&mi[0])
	_, _ = bpfCall(15, words(uint32(m), uint32(len(mi)), low, high))
	id := binary.NativeEndian.Uint32(info[16:])
	fmt.Printf("%s: %s type %d program %d map %v\n", what, errnoText(err), binary.NativeEndian.Uint32(info), binary.NativeEndian.Uint32(info[8:]),
		map[bool]string{id == 0: "none", id == binary.NativeEndian.Uint32(mi[4:]): "that one"}[true])
	text, _ := os.ReadFile(fmt.Sprintf("/proc/self/fdinfo/%d", l))
	for line := range strings.Lines(string(text)) {
		field, value, _ := strings.Cut(strings.TrimSpace(line), ":\t")
		switch field {
		case "pos", "flags", "mnt_id", "ino":
			continue
		case "link_id", "map_id":
			value = "N"
		}
		fmt.Printf("  %s %s\n", field, value)
	}
}

func (o *operator) links() error {
	fresh, whole, without := o.made(linkFlag), o.ready("nk_link", linkFlag), o.made(0)
	for _, c := range []struct {
		what string
		fd   int
	}{{"no fd", 4711}, {"fresh", fresh}, {"not for links", without}, {"a program", o.program("ssthresh")}} {
		_, err := o.linked(c.fd)
		fmt.Printf("link, %s: %s\n", c.what, errnoText(err))
	}
	l, err := o.linked(whole)
	fmt.Println("link:", errnoText(err))
	_, err = o.linked(whole)
	fmt.Println("link again:", errnoText(err))
	_, err = o.linked(o.ready("nk_link", linkFlag))
	fmt.Println("link of the name:", errnoText(err))
	_, err = o.linked(o.ready("cubic", linkFlag))
	fmt.Println("link of cubic:", errnoText(err))
	fmt.Println("state:", o.state(whole))
	o.about("info", l, whole)
	for range 2 {
		_, err = bpfCall(34, words(uint32(l)))
		fmt.Println("detach:", errnoText(err))
	}
	o.about("info, detached", l, whole)
	_, err = bpfCall(29, words(uint32(l), uint32(whole), 0, 0))
	fmt.Println("update, detached:", errnoText(err))
	l2, err := o.linked(whole)
	fmt.Println("link once more:", errnoText(err))
	return errors.Join(unix.Close(l), unix.Close(l2), unix.Close(whole))
}

func (o *operator) updates() error {
	a, b, other := o.ready("nk_again", linkFlag), o.ready("nk_again", linkFlag), o.ready("nk_other", linkFlag)
	l, err := o.linked(a)
	fmt.Println("link:", errnoText(err))
	update := func(what string, new, flags, old int) {
		_, err := bpfCall(29, words(uint32(l), uint32(new), uint32(flags), uint32(old)))
		fmt.Printf("update, %s: %s\n", what, errnoText(err))
	}
	update("no map", 4711, 0, 0)
	update("unknown flag", b, 1, 0)
	update("an old one without the flag", b, 0, a)
	update("another name", other, 0, 0)
	update("not ready", o.made(linkFlag), 0, 0)
	update("the wrong old one", b, 4, other)
	update("the next", b, 4, a)
	o.about("info", l, b)
	update("back", a, 0, 0)
	return errors.Join(unix.Close(l), unix.Close(a), unix.Close(b))
}

// unlinked is a map that registers its operations by itself.
func (o *operator) unlinked() error {
	m := o.ready("nk_plain", 0)
	fmt.Println("state:", o.state(m))
	_, err := o.linked(m)
	fmt.Println("link:", errnoText(err))
	_, err = o.linked(o.ready("nk_plain", linkFlag))
	fmt.Println("link of the name:", errnoText(err))
	fmt.Println("delete of 1:", errnoText(element(3, m, 1, nil, 0)))
	fmt.Println("delete:", errnoText(element(3, m, 0, nil, 0)))
	l, err := o.linked(o.ready("nk_plain", linkFlag))
	fmt.Println("link of the name:", errnoText(err))
	return errors.Join(unix.Close(m), unix.Close(l))
}
