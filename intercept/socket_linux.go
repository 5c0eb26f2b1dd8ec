//go:build amd64 || arm64

package intercept

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/intercept/machine"
	"github.com/nkconform/nkconform/intercept/rtnl"
)

// Socket asks the running kernel which of the program's sockets a packet is for.
func (o outside) Socket(q machine.SocketQuestion) (s machine.Socket, found bool, err error) {
	told, found, err := o.askSocket(q, false)
	s = machine.Socket{
		State: told.State, Remote: told.Remote, Local: told.Local, Ifindex: told.Ifindex,
		Mark: told.Mark, Cookie: told.Cookie, UID: told.UID, OnlyIPv6: told.OnlyIPv6, Cgroups: func() []uint64 { return cgroupsTo(told.Cgroup) },
		Priority: func() (uint32, error) { return priorityOf(told.Inode) },
		TCP: func() ([]byte, error) {
			again, found, err := o.askSocket(q, true)
			if err == nil && (!found || again.Cookie != told.Cookie) {
				err = fmt.Errorf("the socket is gone: %w", machine.ErrUnknown)
			}
			return again.TCP, err
		},
		Full: func() (bool, error) { return o.full(told) },
	}
	return s, found, err
}

func (o outside) askSocket(q machine.SocketQuestion, info bool) (s rtnl.InetSocket, found bool, err error) {
	err = o.enter(func() error {
		a, err := openAsker(unix.NETLINK_SOCK_DIAG)
		if err != nil {
			return err
		}
		defer a.close()
		datagrams, errno := a.ask(func(ask rtnl.Ask) []byte { return ask.Socket(rtnl.SocketQuestion(q), info) })
		if errno != 0 { // as also where the kernel cannot tell
			if _, errno := a.ask(func(ask rtnl.Ask) []byte { return ask.AnySocket(unix.AF_INET, q.Protocol) }); errno != 0 {
				return fmt.Errorf("sockets of protocol %d: the kernel cannot tell (%v): %w", q.Protocol, errno, machine.ErrUnknown)
			}
		}
		for _, p := range datagrams {
			for _, told := range rtnl.InetSockets(p) {
				s, found = told, true
			}
		}
		return nil
	})
	return s, found, err
}

// full reports whether a socket that listens has as many connections to come as it takes.
func (o outside) full(listener rtnl.InetSocket) (full bool, err error) {
	err = o.enter(func() error {
		a, err := openAsker(unix.NETLINK_SOCK_DIAG)
		if err != nil {
			return err
		}
		defer a.close()
		datagrams, errno := a.ask(func(ask rtnl.Ask) []byte { return ask.Requests(listener.Local.Addr()) })
		if errno != 0 {
			return fmt.Errorf("requests for connections: %w: %w", errno, machine.ErrUnknown)
		}
		waiting := uint32(0)
		for _, p := range datagrams {
			for _, request := range rtnl.InetSockets(p) {
				if request.Local.Port() == listener.Local.Port() { // of whichever address
					waiting++
				}
			}
		}
		full = waiting >= listener.Backlog
		return nil
	})
	return full, err
}

// priorityOf is the priority of a socket that some process has, of which the inode is
// known.
func priorityOf(inode uint32) (uint32, error) {
	unknown := fmt.Errorf("the priority of a socket that no process has whose files can be seen: %w", machine.ErrUnknown)
	if inode == 0 {
		return 0, unknown
	}
	name := fmt.Sprintf("socket:[%d]", inode)
	if known, ok := socketFDs.Load(inode); ok {
		h := known.(descriptor)
		if to, err := os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", h.pid, h.fd)); err == nil && to == name {
			return priorityAt(h.pid, h.fd)
		}
		socketFDs.Delete(inode)
	}
	folders, err := filepath.Glob("/proc/[0-9]*/fd")
	if err != nil {
		return 0, err
	}
	for _, folder := range folders {
		list, err := os.ReadDir(folder)
		if err != nil {
			continue
		}
		for _, f := range list {
			if to, err := os.Readlink(filepath.Join(folder, f.Name())); err != nil || to != name {
				continue
			}
			pid, _ := strconv.Atoi(strings.Split(folder, "/")[2])
			fd, _ := strconv.Atoi(f.Name())
			if v, err := priorityAt(pid, fd); err == nil {
				socketFDs.Store(inode, descriptor{pid, fd})
				return v, nil
			}
		}
	}
	return 0, unknown
}

// socketFDs are fds by which processes were found to have sockets, by the sockets' inodes.
var socketFDs sync.Map

// descriptor is a process's fd.
type descriptor struct{ pid, fd int }

// priorityAt is the priority of a process's socket.
func priorityAt(pid, fd int) (uint32, error) {
	pidfd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return 0, err
	}
	defer unix.Close(pidfd)
	copied, err := unix.PidfdGetfd(pidfd, fd, 0)
	if err != nil {
		return 0, err
	}
	defer unix.Close(copied)
	v, err := unix.GetsockoptInt(copied, unix.SOL_SOCKET, unix.SO_PRIORITY)
	return uint32(v), err
}

// SYNCookies asks the running kernel.
func (o outside) SYNCookies() (c machine.SYNCookies, err error) {
	err = o.enter(func() error {
		text, err := os.ReadFile("/proc/sys/net/ipv4/tcp_syncookies")
		if err != nil {
			return fmt.Errorf("%w: %w", err, machine.ErrUnknown)
		}
		if c.Mode, err = strconv.Atoi(strings.TrimSpace(string(text))); err != nil {
			return fmt.Errorf("net.ipv4.tcp_syncookies: %w: %w", err, machine.ErrUnknown)
		}
		c.Sent, err = sentCookies()
		return err
	})
	return c, err
}

// sentCookies reports whether SYN cookies have been sent in the current thread's network
// namespace.
func sentCookies() (bool, error) {
	text, err := os.ReadFile("/proc/thread-self/net/netstat")
	if err != nil {
		return false, fmt.Errorf("%w: %w", err, machine.ErrUnknown)
	}
	lines := strings.Split(string(text), "\n") // names, then numbers
	for i := 0; i+1 < len(lines); i += 2 {
		names, numbers := strings.Fields(lines[i]), strings.Fields(lines[i+1])
		for j, name := range names {
			if name == "SyncookiesSent" && j < len(numbers) {
				return numbers[j] != "0", nil
			}
		}
	}
	return false, fmt.Errorf("/proc/net/netstat does not tell of SYN cookies: %w", machine.ErrUnknown)
}

// HasNetns asks the running kernel for the namespaces that have ids.
func (o outside) HasNetns(id int32) (has bool, err error) {
	if rtnl.MadeUp(id) {
		return true, nil
	}
	err = o.enter(func() error {
		a, err := newAsker()
		if err != nil {
			return err
		}
		defer a.close()
		datagrams, errno := a.ask(func(ask rtnl.Ask) []byte { return ask.NamespaceIDs() })
		if errno != 0 {
			return fmt.Errorf("ids of network namespaces: %w: %w", errno, machine.ErrUnknown)
		}
		for _, p := range datagrams {
			for _, known := range rtnl.NamespaceIDs(p) {
				has = has || known == id
			}
		}
		return nil
	})
	return has, err
}
