package kernel

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/mprog"
	"github.com/nkconform/nkconform/mprog/attr"
)

// cgroupWatch tells when the kernel has let go of a removed cgroup's programs. It does
// that some time after rmdir(2) has returned, all at once. The watch is one more program
// that nothing else holds, at a hook that traces hardly use.
type cgroupWatch struct {
	p      *Process
	target uint32
	at     mprog.AttachType
	fd     int // of the program
	id     uint32
}

// watched are hooks of which one has room for the program, and the type that it has.
var watched = []struct {
	at  mprog.AttachType
	typ mprog.ProgType
}{
	{mprog.CgroupInet6PostBind, mprog.CgroupSock},
	{mprog.CgroupInet4Bind, mprog.CgroupSockAddr},
	{mprog.CgroupInetSockCreate, mprog.CgroupSock},
}

// watchCgroup attaches the program, on the first process's thread.
func (p *Process) watchCgroup(target uint32) (*cgroupWatch, error) {
	var failed error
	for _, hook := range watched {
		w := &cgroupWatch{p: p, target: target, at: hook.at}
		var err error
		if w.fd, err = load(mprog.ProgSpec{Type: hook.typ, Name: "watch", Expected: hook.at}, constant(1)); err != nil {
			return nil, fmt.Errorf("load a program: %v", err)
		}
		if w.id, err = p.objectID(w.fd); err == nil {
			_, err = p.raw(attr.ProgAttach, attr.EncodeAttach(&p.attr, w.request(mprog.AllowMulti)))
		}
		if err == nil {
			return w, nil
		}
		_ = closeFD(uint32(w.fd))
		if errors.Is(err, unix.ENOENT) { // it is removed already
			return nil, unix.ENOENT
		}
		failed = err
	}
	return nil, fmt.Errorf("attach a program that tells when a cgroup has ended: %v", failed)
}

func (w *cgroupWatch) request(flags mprog.Flags) mprog.AttachRequest {
	return mprog.AttachRequest{TargetIfindex: w.target, AttachFD: uint32(w.fd), AttachType: w.at, Flags: flags}
}

// stop takes the program away again, because of an error.
func (w *cgroupWatch) stop(because error) error {
	_, err := w.p.raw(attr.ProgDetach, attr.EncodeDetach(&w.p.attr, mprog.DetachRequest(w.request(0))))
	_ = closeFD(uint32(w.fd))
	if err != nil {
		return fmt.Errorf("detach a program: %v", err)
	}
	return because
}

// wait returns when the program is gone, and whoever held the lock that the kernel
// changes cgroups under.
func (w *cgroupWatch) wait() error {
	_ = closeFD(uint32(w.fd))
	for start := time.Now(); time.Since(start) < settlePatience; {
		fd, err := w.p.raw(attr.ProgGetFDByID, attr.EncodeFDByID(&w.p.attr, mprog.IDRequest{ID: w.id}))
		if err == unix.ENOENT {
			own := mprog.QueryRequest{TargetIfindex: uint32(w.p.groups.own), AttachType: w.at}
			_, err := w.p.raw(attr.ProgQuery, attr.EncodeQuery(&w.p.attr, own, attr.Arrays{}))
			return err
		}
		if err == nil {
			unix.Close(fd)
		}
		pause()
	}
	return fmt.Errorf("the kernel has not let go of a removed cgroup within %s", settlePatience)
}
