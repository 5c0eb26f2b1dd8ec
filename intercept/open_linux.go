//go:build amd64 || arm64

package intercept

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path"
	"regexp"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/intercept/notify"
	"github.com/nkconform/nkconform/intercept/sim"
)

// Files of /proc and of sysfs that would tell of the running kernel, or of what stands for the
// simulation's, are opened here, for reading, those of sysfs by an absolute path: what the program
// gets is a file in memory, of what they said when they were opened.

// jit are the sysctls of the compiler, which network namespaces other than the first
// do not have; as Linux 6.12, 6.18, 7.1 and 7.3 of Debian have them.
var jit = map[string]string{
	"/proc/sys/net/core/bpf_jit_enable":   "1\n",
	"/proc/sys/net/core/bpf_jit_harden":   "0\n",
	"/proc/sys/net/core/bpf_jit_kallsyms": "1\n",
	"/proc/sys/net/core/bpf_jit_limit":    "528482304\n",
}

// open answers open(2).
func (s *supervisor) open(c *notify.Call) { s.openFile(c, unix.AT_FDCWD, c.Args[0], c.Args[1]) }

// openat answers openat(2).
func (s *supervisor) openat(c *notify.Call) { s.openFile(c, int32(c.Args[0]), c.Args[1], c.Args[2]) }

// openat2 answers openat2(2). Where it may not leave a folder, or follow links, of which
// paths of /proc have some, the running kernel answers, unless it stays in a folder.
func (s *supervisor) openat2(c *notify.Call) {
	var how [24]byte // struct open_how
	if c.Args[3] < 24 || s.caller(c).Read(c.Args[2], how[:]) != nil {
		_ = s.listener.Continue(c)
		return
	}
	flags, resolve := binary.NativeEndian.Uint64(how[:]), binary.NativeEndian.Uint64(how[16:])
	const (
		within   = unix.RESOLVE_BENEATH | unix.RESOLVE_IN_ROOT
		unlinked = unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_XDEV
		cached   = 0x20 // RESOLVE_CACHED
	)
	name, _ := s.caller(c).text(c.Args[1], longestOpened)
	if resolve&within != 0 && (strings.HasPrefix(name, "/") || strings.Contains(name, "..")) || resolve&unlinked != 0 && strings.Contains(name, "self") ||
		resolve&cached != 0 {
		_ = s.listener.Continue(c)
		return
	}
	s.openFile(c, int32(c.Args[0]), c.Args[1], flags)
}

// longestOpened is longer than the paths that are looked at.
const longestOpened = 64

// answered matches the last part of a relative path that is looked at.
var answered = regexp.MustCompile(`^(version|osrelease|config\.gz|mounts|mountinfo|dev|dev_mcast|bpf_jit_\w+|vmlinux|[0-9]+)$`)

func (s *supervisor) openFile(c *notify.Call, dirFD int32, address, flags uint64) {
	name, of := "", s.caller(c)
	if flags&(unix.O_ACCMODE|unix.O_PATH|unix.O_DIRECTORY|unix.O_CREAT) == unix.O_RDONLY {
		name, _ = of.text(address, longestOpened)
	}
	if !strings.HasPrefix(name, "/") && answered.MatchString(path.Base(name)) {
		name = of.absolute(dirFD, name)
	}
	if strings.HasPrefix(name, typesDir+"/") {
		s.tellTypes()
	}
	if !strings.HasPrefix(name, "/proc/") && !aboutDevices(name) {
		_ = s.listener.Continue(c)
		return
	}
	text, err := s.contents(of, name)
	switch {
	case errors.Is(err, errOthers):
		_ = s.listener.Continue(c)
		return
	case err != nil:
		_ = s.listener.Answer(c, 0, unix.Errno(errnoOf(err)))
		return
	}
	if err := s.openText(c, text, flags&unix.O_CLOEXEC != 0); err != nil {
		_ = s.listener.Continue(c)
	}
}

// absolute is where a relative path begins, and the path: "/proc/1/fdinfo/3" in the folder
// of a process, whichever way it was opened.
func (c *caller) absolute(dirFD int32, name string) string {
	dir := c.proc("/cwd")
	if dirFD != unix.AT_FDCWD {
		dir = c.proc("/fd/" + strconv.Itoa(int(dirFD)))
	}
	from, err := os.Readlink(dir)
	if err != nil {
		return name
	}
	root, err := os.Readlink(c.proc("/root"))
	if err != nil {
		return name
	}
	if root != "/" {
		from = "/" + strings.TrimPrefix(strings.TrimPrefix(from, root), "/")
	}
	return path.Join(from, name)
}

// tellTypes says whose types programs get, if the user has asked for another release.
func (s *supervisor) tellTypes() {
	if text := s.symbols.OtherTypes(s.kernel.Running()); text != "" {
		s.warn(text)
	}
}

// errOthers is of files that are the running kernel's business.
var errOthers = errors.New("another file")

// contents is what a file says.
func (s *supervisor) contents(who *caller, name string) (string, error) {
	if text, ok := jit[name]; ok {
		return text, nil
	}
	if aboutDevices(name) {
		return s.deviceFile(who, name)
	}
	switch name {
	case "/proc/net/dev", "/proc/net/dev_mcast":
		return s.netDevices(who.proc(""), strings.TrimPrefix(name, "/proc/net/"))
	case "/proc/version":
		return sim.VersionOf(s.kernel.Running()).Whole + "\n", nil
	case "/proc/sys/kernel/osrelease":
		return sim.VersionOf(s.kernel.Running()).Release + "\n", nil
	case "/proc/sys/kernel/version":
		return sim.VersionOf(s.kernel.Running()).Build + "\n", nil
	case "/proc/config.gz": // Debian's kernels have none
		return "", unix.ENOENT
	case "/proc/mounts":
		return s.mountsOf(who.proc(""), "/mounts")
	}
	dir, of, _ := strings.Cut(strings.TrimPrefix(name, "/proc/"), "/")
	if task, rest, found := strings.Cut(of, "/"); found && task == "task" {
		dir, of, _ = strings.Cut(rest, "/")
	}
	process := who.proc("/root/proc/" + dir)
	if dir == "self" || dir == "thread-self" {
		process = who.proc("")
	}
	switch {
	case of == "mounts", of == "mountinfo":
		return s.mountsOf(process, "/"+of)
	case of == "net/dev", of == "net/dev_mcast":
		return s.netDevices(process, strings.TrimPrefix(of, "net/"))
	case strings.HasPrefix(of, "fdinfo/"):
		return s.fdInfo(who, name, process+"/"+of)
	}
	return "", errOthers
}

// mountsOf says of what passes for a bpf file system that it is one.
func (s *supervisor) mountsOf(process, file string) (string, error) {
	if len(s.bpffs) == 0 {
		return "", errOthers
	}
	info, err := os.ReadFile(process + "/mountinfo")
	if err != nil {
		return "", errOthers
	}
	text := info
	if file != "/mountinfo" {
		if text, err = os.ReadFile(process + file); err != nil {
			return "", errOthers
		}
	}
	lines, about := strings.SplitAfter(string(text), "\n"), strings.Split(string(info), "\n")
	for i, line := range lines {
		if i >= len(about) {
			break
		}
		switch device := deviceOf(about[i]); {
		case s.bpffs[device]:
			lines[i] = asBPF(line)
		case s.magicOf(device) != 0:
			lines[i] = asTree(line, s.magicOf(device))
		}
	}
	return strings.Join(lines, ""), nil
}

// deviceOf reads a line of mountinfo; 0 is none.
func deviceOf(line string) uint64 {
	var major, minor uint32
	fields := strings.Fields(line)
	if len(fields) < 3 {
		return 0
	}
	if _, err := fmt.Sscanf(fields[2], "%d:%d", &major, &minor); err != nil {
		return 0
	}
	return unix.Mkdev(major, minor)
}

// asTree is the line of the file system that a tree of FUSE stands for, empty for
// kallsyms, which is no mount.
func asTree(line string, magic int64) string {
	kind := ""
	for name, of := range magics {
		if of == magic && name != "kallsyms" {
			kind = name
		}
	}
	if kind == "" {
		return ""
	}
	if before, after, found := strings.Cut(line, " - fuse "); found { // mountinfo
		source, _, _ := strings.Cut(after, " ")
		return before + " - " + kind + " " + source + " rw\n"
	}
	fields := strings.Fields(line) // source, folder, type, options, two zeros
	if len(fields) != 6 {
		return line
	}
	options, _, _ := strings.Cut(fields[3], ",user_id=")
	return fmt.Sprintf("%s %s %s %s 0 0\n", fields[0], fields[1], kind, options)
}

// asBPF is the line of a bpf file system instead of a tmpfs, whose options are the last.
func asBPF(line string) string {
	before, after, found := strings.Cut(line, " - tmpfs ")
	if found { // mountinfo
		source, _, _ := strings.Cut(after, " ")
		return before + " - bpf " + source + " rw,mode=700\n"
	}
	fields := strings.Fields(line) // source, folder, type, options, two zeros
	if len(fields) != 6 {
		return line
	}
	kept := []string{}
	for option := range strings.SplitSeq(fields[3], ",") {
		switch name, _, _ := strings.Cut(option, "="); name {
		case "size", "nr_inodes", "uid", "gid", "inode64", "huge":
		default:
			kept = append(kept, option)
		}
	}
	return fmt.Sprintf("%s %s bpf %s 0 0\n", fields[0], fields[1], strings.Join(kept, ","))
}

// fdInfo is what fdinfo says of an object's fd.
func (s *supervisor) fdInfo(who *caller, name, file string) (string, error) {
	tid, fd, ok := who.parseFDPath(strings.Replace(name, "/fdinfo/", "/fd/", 1))
	if !ok {
		return "", errOthers
	}
	found, _ := s.files.find(tid, fd)
	if found == nil || found.object == nil {
		return "", errOthers
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return "", errOthers
	}
	head, _, _ := strings.Cut(string(text), "\nscm_fds:")
	kept := ""
	for line := range strings.Lines(head + "\n") {
		switch field, value, _ := strings.Cut(strings.TrimSpace(line), ":\t"); field {
		case "flags": // O_LARGEFILE, as a memfd has, is none of such an fd's
			kept += "flags:\t" + strings.Replace(value, "100002", "000002", 1) + "\n"
		case "pos", "mnt_id", "ino":
			kept += strings.TrimRight(line, "\n") + "\n"
		}
	}
	return kept + found.object.FDInfo(), nil
}

// openText answers a call with the fd of a file that says a text.
func (s *supervisor) openText(c *notify.Call, text string, cloexec bool) error {
	fd, err := unix.MemfdCreate("proc", unix.MFD_CLOEXEC)
	if err != nil {
		return fmt.Errorf("memfd: %w", err)
	}
	defer unix.Close(fd)
	if _, err := unix.Write(fd, []byte(text)); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	read, err := unix.Open(fmt.Sprintf("/proc/self/fd/%d", fd), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open memfd: %w", err)
	}
	defer unix.Close(read)
	_, err = s.listener.AnswerFD(c, read, cloexec)
	return err
}
