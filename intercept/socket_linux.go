//go:build amd64 || arm64

package intercept

import (
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
		datagrams, _ := a.ask(func(ask rtnl.Ask) []byte { return ask.Socket(rtnl.SocketQuestion(q)) })
		for _, p := range datagrams {
			for _, told := range rtnl.InetSockets(p) {
				s, found = machine.Socket{
					State: told.State, Remote: told.Remote, Local: told.Local, Ifindex: told.Ifindex,
					Mark: told.Mark, Cookie: told.Cookie, UID: told.UID,
				}, true
			}
		}
		return nil
	})
	return s, found, err
}
