package page

import (
	"fmt"
	"strings"

	"github.com/nkconform/nkconform/internal/picture"
)

// over writes the call that puts a program in the place of another.
func over(h *picture.Hook, pick Pick, old string) string {
	flags := "replace"
	switch {
	case h.Mode == "multi":
		flags = strings.Join(cgroupFlags(h, pick), "+") + "+replace"
	case h.Mode != "": // the new one takes the place of what is there
		return "attach " + h.Name + " " + pick.Prog + written(cgroupFlags(h, pick))
	}
	return fmt.Sprintf("attach %s %s flags=%s replace_bpf_fd=%s", h.Name, pick.Prog, flags, old)
}

// cgroupFlags are the flags that a program is attached to a cgroup with, but for its
// place: the hook's mode, and on an empty hook the one that lets others in.
func cgroupFlags(h *picture.Hook, pick Pick) (flags []string) {
	switch {
	case pick.ByLink: // whose mode is always that
	case h.Mode == "":
		flags = append(flags, "multi")
	case h.Mode != "none":
		flags = append(flags, h.Mode)
	}
	if pick.Preorder {
		flags = append(flags, "preorder")
	}
	return flags
}

// besideInCgroup writes the flags that say a place in a cgroup's list. A neighbour must
// be of the same sort there: of a link or not, with PREORDER or not. If neither is, the
// call names the one that it would on a device, and the kernel says why not.
func besideInCgroup(h *picture.Hook, entries []picture.Entry, gap int, pick Pick) string {
	flags := cgroupFlags(h, pick)
	fits := func(at int) bool {
		return at >= 0 && at < len(entries) && entries[at].Preorder == pick.Preorder && (entries[at].Link != "") == pick.ByLink
	}
	side, at := "before", gap
	if pick.After && gap > 0 || gap == len(entries) {
		side, at = "after", gap-1
	}
	atEnd := at < 0 || gap == 0 && side == "before" || gap == len(entries)
	switch {
	case atEnd && !pick.ByID:
		if gap == 0 && len(entries) > 0 {
			flags = append(flags, "before")
		}
		return written(flags)
	case at < 0:
		return written(flags)
	case !fits(at) && side == "before" && fits(gap-1):
		side, at = "after", gap-1
	case !fits(at) && side == "after" && fits(gap):
		side, at = "before", gap
	}
	key, object := "relative_fd", entries[at].Prog
	flags = append(flags, side)
	if pick.ByID {
		key, flags = "relative_id", append(flags, "id")
	}
	if pick.ByLink {
		flags = append(flags, "link")
		if entries[at].Link != "" {
			object = entries[at].Link
		}
	}
	return written(flags) + " " + key + "=" + object
}

// written is a list of flags as a statement has it, "" for none.
func written(flags []string) string {
	if len(flags) == 0 {
		return ""
	}
	return " flags=" + strings.Join(flags, "+")
}
