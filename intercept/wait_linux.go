//go:build amd64 || arm64

package intercept

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"
)

// forwarder passes signals on to the program.
type forwarder struct {
	signals chan os.Signal
	pid     chan int
	quit    chan struct{}
}

// forwardSignals begins to hold the signals that end a program by default.
// Those that come before there is a program are passed on when it is there.
func forwardSignals() *forwarder {
	f := &forwarder{make(chan os.Signal, 16), make(chan int, 1), make(chan struct{})}
	signal.Notify(f.signals, unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGTERM, unix.SIGUSR1, unix.SIGUSR2,
		unix.SIGWINCH, unix.SIGCONT)
	go f.run()
	return f
}

func (f *forwarder) to(pid int) { f.pid <- pid }

func (f *forwarder) stop() {
	signal.Stop(f.signals)
	close(f.quit)
}

func (f *forwarder) run() {
	var pid int
	select {
	case pid = <-f.pid:
	case <-f.quit:
		return
	}
	for {
		select {
		case s := <-f.signals:
			if number := s.(syscall.Signal); !fromTerminal(number) {
				_ = unix.Kill(pid, number) // gone is no failure
			}
		case <-f.quit:
			return
		}
	}
}

// fromTerminal reports whether the program has got a signal already, because a
// terminal sends it to all of the foreground's processes.
func fromTerminal(s syscall.Signal) bool {
	switch s {
	case unix.SIGINT, unix.SIGQUIT, unix.SIGWINCH, unix.SIGCONT:
	default:
		return false
	}
	tty, err := unix.Open("/dev/tty", unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NOCTTY, 0)
	if err != nil {
		return false
	}
	defer unix.Close(tty)
	foreground, err := unix.IoctlGetInt(tty, unix.TIOCGPGRP)
	return err == nil && foreground == unix.Getpgrp()
}

// wait waits for a child, and reaps whatever other children there are.
func wait(pid int) (status int, err error) {
	for {
		var ws unix.WaitStatus
		got, err := unix.Wait4(-1, &ws, 0, nil)
		switch {
		case err == unix.EINTR:
		case err != nil:
			return 0, fmt.Errorf("wait for the program: %w", err)
		case got != pid:
		case ws.Signaled():
			return 128 + int(ws.Signal()), nil
		case ws.Exited():
			return ws.ExitStatus(), nil
		}
	}
}
