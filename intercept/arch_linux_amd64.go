package intercept

import (
	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/intercept/notify"
)

const sysFstatat = unix.SYS_NEWFSTATAT

// nativeRules are of calls that newer machines do not have.
var nativeRules = []notify.Rule{{Number: unix.SYS_READLINK}, {Number: unix.SYS_UNLINK}, {Number: unix.SYS_OPEN}}

func addNativeHandlers(to map[uint32]func(*supervisor, *notify.Call)) {
	to[unix.SYS_READLINK] = (*supervisor).readlink
	to[unix.SYS_OPEN] = (*supervisor).open
	to[unix.SYS_UNLINK] = (*supervisor).unlink
}
