//go:build amd64 || arm64

package intercept

import (
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/intercept/rtnl"
)

// A tether is taken away when no program has seen its device's packets for a while:
// programs that attach and detach again and again do not wait for it each time.
const looseAfter = time.Second

// lookAfterTethers has tethers looked after from now on, as long as there are any.
func (w *wires) lookAfterTethers() {
	if w.looks == nil {
		w.looks = time.AfterFunc(looseAfter, func() {
			w.s.mu.Lock()
			defer w.s.mu.Unlock()
			if w.looks == nil {
				return // it was stopped while this waited
			}
			if w.releaseIdle() {
				w.looks.Reset(looseAfter)
			} else {
				w.looks = nil
			}
		})
	}
}

// stopLooking ends that tethers are looked after. Unlike others it takes the
// supervisor's lock.
func (w *wires) stopLooking() {
	w.s.mu.Lock()
	defer w.s.mu.Unlock()
	if w.looks != nil {
		w.looks.Stop()
		w.looks = nil
	}
}

// releaseIdle releases what was idle when it was called before, and reports whether there
// are any tethers left.
func (w *wires) releaseIdle() (left bool) {
	for key, list := range w.tethers {
		if len(list) == 0 {
			continue // it could not be made
		}
		watched := w.s.at(key.netns).Watched(key.netns, key.index)
		if list[0].tether.idle && !watched {
			w.Release(key.netns, key.index)
			continue
		}
		list[0].tether.idle, left = !watched, true
	}
	return left
}

// Release takes away what a device is tethered to, if no program sees its packets.
func (w *wires) Release(netns uint64, ifindex uint32) bool {
	key := tetherKey{netns, ifindex}
	list := w.tethers[key]
	if len(list) == 0 || w.s.at(netns).Watched(netns, ifindex) {
		return false
	}
	fd, err := list[0].tap.netns()
	if err == nil {
		defer unix.Close(fd)
		err = within(fd, func() error {
			a, err := newAsker()
			if err != nil {
				return err
			}
			defer a.close()
			if _, errno := a.ask(func(a rtnl.Ask) []byte { return a.DeleteClsact(ifindex) }); errno != 0 {
				return errno
			}
			w.pump.flush() // what is on its way
			for _, e := range list {
				for _, setting := range e.tether.settings {
					setting.restore()
				}
			}
			return nil
		})
	}
	if err != nil {
		w.s.warn(fmt.Sprintf("the qdisc that has device %d go through its hooks stays: %v", ifindex, err))
		return false
	}
	w.untie(key)
	return true
}

// sysctl is a setting of the current thread's network namespace that has been changed.
type sysctl struct{ file, old, now string }

// routeBack permits that packets come back to lo, which are routed anew then: the kernel
// does so for addresses of its own only if it is told to.
func routeBack() (changed []sysctl, err error) {
	for _, s := range []sysctl{
		{file: "all/route_localnet", now: "1\n"}, {file: "lo/route_localnet", now: "1\n"}, {file: "lo/accept_local", now: "1\n"},
		{file: "all/rp_filter", now: "0\n"}, {file: "lo/rp_filter", now: "0\n"},
	} {
		s.file = "/proc/sys/net/ipv4/conf/" + s.file
		old, err := os.ReadFile(s.file)
		if err == nil {
			err = os.WriteFile(s.file, []byte(s.now), 0)
		}
		if err != nil {
			return changed, err
		}
		s.old = string(old)
		changed = append(changed, s)
	}
	return changed, nil
}

// restore undoes a change, unless somebody else has changed the setting since.
func (s sysctl) restore() {
	if now, err := os.ReadFile(s.file); err == nil && string(now) == s.now {
		_ = os.WriteFile(s.file, []byte(s.old), 0) // as it was written before
	}
}
