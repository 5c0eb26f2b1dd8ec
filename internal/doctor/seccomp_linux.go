//go:build amd64 || arm64

package doctor

import (
	"errors"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/intercept/notify"
)

// trySeccomp runs a program whose bpf(2) this process answers.
func trySeccomp() (string, error) {
	filter, err := notify.Assemble(notify.Native, []notify.Rule{{Number: notify.Native.BPF}})
	if err != nil {
		return "", err
	}
	p, err := notify.Start(notify.Command{
		Path: "/proc/self/exe", Args: []string{os.Args[0]}, Env: append(os.Environ(), againVariable+"=nothing"),
		Filter: filter, Serve: func(l *notify.Listener) { go serve(l) },
	})
	if err != nil {
		return "", &Missing{strings.TrimPrefix(err.Error(), notify.ErrUnavailable.Error()+": "), getSeccomp(err)}
	}
	_, err = unix.Wait4(p.Pid, nil, 0, nil)
	p.Stop()
	return "", err
}

// serve answers what notify asks itself, until it says goodbye.
func serve(l *notify.Listener) {
	c := new(notify.Call)
	for {
		if l.Receive(c) != nil {
			continue
		}
		if _, last := l.Own(c); last {
			return
		}
	}
}

func getSeccomp(err error) string {
	switch {
	case errors.Is(err, unix.EBUSY):
		return "" // within exec: do not nest
	case errors.Is(err, unix.ENOENT):
		return asRoot("mount -t proc proc /proc")
	case errors.Is(err, unix.EINVAL), errors.Is(err, unix.ENOSYS) && !inContainer():
		return newKernel
	case setting("kernel.yama.ptrace_scope") > "1":
		return sysctl("kernel.yama.ptrace_scope=1")
	}
	return "docker run --security-opt seccomp=unconfined"
}
