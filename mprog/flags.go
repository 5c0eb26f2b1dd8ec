package mprog

import (
	"fmt"
	"strconv"
	"strings"
)

// Flags is attach_flags of BPF_PROG_ATTACH and BPF_PROG_DETACH, and flags of
// BPF_LINK_CREATE and BPF_LINK_UPDATE.
type Flags uint32

// The flags mprog knows (include/uapi/linux/bpf.h).
const (
	Replace Flags = 1 << 2  // BPF_F_REPLACE: take the place of another program
	Before  Flags = 1 << 3  // BPF_F_BEFORE: in front of the relative object
	After   Flags = 1 << 4  // BPF_F_AFTER: behind the relative object
	ID      Flags = 1 << 5  // BPF_F_ID: the relative object is named by its id
	Link    Flags = 1 << 13 // BPF_F_LINK: the relative object is a link
)

// AttachMask holds the flags that BPF_PROG_ATTACH and BPF_PROG_DETACH accept
// on mprog hooks (BPF_F_ATTACH_MASK_MPROG).
const AttachMask = Replace | Before | After | ID | Link

var flagNames = []struct {
	bit  Flags
	name string
}{
	{AllowOverride, "override"}, {AllowMulti, "multi"}, {Preorder, "preorder"},
	{Replace, "replace"}, {Before, "before"}, {After, "after"}, {ID, "id"}, {Link, "link"},
}

// String joins the names of the flags with +, with unknown bits as one
// hexadecimal number at the end. No flag is 0.
func (f Flags) String() string {
	if f == 0 {
		return "0"
	}
	var parts []string
	for _, n := range flagNames {
		if f&n.bit != 0 {
			parts = append(parts, n.name)
			f &^= n.bit
		}
	}
	if f != 0 {
		parts = append(parts, "0x"+strconv.FormatUint(uint64(f), 16))
	}
	return strings.Join(parts, "+")
}

// ParseFlags reads flags as people write them: names and numbers in any order, joined
// by +, | or commas, a name also as in C, BPF_F_BEFORE. What [Flags.String] writes is
// read back.
func ParseFlags(s string) (Flags, error) {
	var f Flags
next:
	for _, part := range strings.Split(strings.NewReplacer("|", "+", ",", "+").Replace(s), "+") {
		for _, n := range flagNames {
			if strings.TrimPrefix(strings.TrimPrefix(strings.ToLower(part), "bpf_f_"), "allow_") == n.name {
				f |= n.bit
				continue next
			}
		}
		v, err := strconv.ParseUint(part, 0, 32)
		if err != nil {
			return 0, fmt.Errorf("unknown flag %q: expected replace, before, after, id, link, override, multi, preorder or a number", part)
		}
		f |= Flags(v)
	}
	return f, nil
}
