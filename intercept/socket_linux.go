//go:build amd64 || arm64

package intercept

import (
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/intercept/machine"
	"github.com/nkconform/nkconform/intercept/rtnl"
)

// Socket asks the running kernel which of the program's sockets a packet is for.
func (o outside) Socket(q machine.SocketQuestion) (s machine.Socket, found bool, err error) {
	err = o.enter(func() error {
		a, err := openAsker(unix.NETLINK_SOCK_DIAG)
		if err != nil {
			return err
		}
		defer a.close()
		datagrams, errno := a.ask(func(ask rtnl.Ask) []byte { return ask.Socket(rtnl.SocketQuestion(q)) })
		if errno != 0 { // as also where the kernel cannot tell
			if _, errno := a.ask(func(ask rtnl.Ask) []byte { return ask.AnySocket(unix.AF_INET, q.Protocol) }); errno != 0 {
				return fmt.Errorf("sockets of protocol %d: the kernel cannot tell (%v): %w", q.Protocol, errno, machine.ErrUnknown)
			}
		}
		for _, p := range datagrams {
			for _, told := range rtnl.InetSockets(p) {
				s, found = machine.Socket{
					State: told.State, Remote: told.Remote, Local: told.Local, Ifindex: told.Ifindex,
					Mark: told.Mark, Cookie: told.Cookie, UID: told.UID, Cgroups: func() []uint64 { return cgroupsTo(told.Cgroup) },
				}, true
			}
		}
		return nil
	})
	return s, found, err
}
