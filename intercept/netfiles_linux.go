//go:build amd64 || arm64

package intercept

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/intercept/rtnl"
)

// Files of /proc/net and of sysfs tell of netkit devices, and not of the TAP devices
// that stand for them, or that real devices are tethered to.

// deviceFolders are where sysfs has devices.
var deviceFolders = []string{"/sys/class/net/", "/sys/devices/virtual/net/"}

// aboutDevices reports whether a file may tell of network devices.
func aboutDevices(name string) bool {
	for _, folder := range deviceFolders {
		if strings.HasPrefix(name, folder) {
			return true
		}
	}
	return false
}

// netDevices is what /proc/PID/net/dev or dev_mcast says.
func (s *supervisor) netDevices(process, file string) (string, error) {
	if !s.wires.busy() {
		return "", errOthers
	}
	text, err := os.ReadFile(process + "/net/" + file)
	var st unix.Stat_t
	if err != nil || unix.Stat(process+"/ns/net", &st) != nil {
		return "", errOthers
	}
	told := ""
	for line := range strings.Lines(string(text)) {
		name, counts, isDevice := strings.Cut(strings.TrimSpace(line), ":")
		switch d := s.rtnl.ByName(st.Ino, name); {
		case s.wires.hides(st.Ino, line):
			continue
		case isDevice && d != nil && d.Wired() && file == "dev":
			line = devLine(name, strings.Fields(counts), s.wires.Counts(d))
		}
		told += line
	}
	return told, nil
}

// devLine is a device's line of /proc/net/dev, of which the running kernel has told the
// counts of what stands for it (dev_seq_printf_stats).
func devLine(name string, told []string, c rtnl.Counts) string {
	const rxBytes, rxPackets, txBytes, txPackets, txDropped = 0, 1, 8, 9, 11
	widths := [...]int{7, 7, 4, 4, 4, 5, 10, 9, 8, 7, 4, 4, 4, 5, 7, 10}
	var counts [len(widths)]uint64
	for i := range min(len(told), len(counts)) {
		counts[i], _ = strconv.ParseUint(told[i], 10, 64) // the kernel's, a number
	}
	counts[rxBytes], counts[rxPackets], counts[txBytes], counts[txPackets] = c.RxBytes, c.RxPackets, c.TxBytes, c.TxPackets
	counts[txDropped] += c.TxDropped
	line := fmt.Sprintf("%6s:", name)
	for i, width := range widths {
		line += fmt.Sprintf(" %*d", width, counts[i])
	}
	return line + "\n"
}

// hides reports whether a line of a file of /proc/net tells of a device that a real one
// of a namespace is tethered to.
func (w *wires) hides(netns uint64, line string) bool {
	for key, list := range w.tethers {
		for _, e := range list {
			fields := strings.FieldsFunc(line, func(r rune) bool { return r == ' ' || r == ':' })
			if key.netns == netns && slices.Contains(fields[:min(2, len(fields))], e.name) {
				return true
			}
		}
	}
	return false
}

// deviceFile is what a file of sysfs says of a netkit device. What a netkit device
// refuses when it is read, is refused here when it is opened.
func (s *supervisor) deviceFile(who *caller, name string) (string, error) {
	if !s.wires.busy() {
		return "", errOthers
	}
	of := name
	for _, folder := range deviceFolders {
		of = strings.TrimPrefix(of, folder)
	}
	device, file, found := strings.Cut(of, "/")
	if !found {
		return "", errOthers
	}
	folder := who.proc("/root" + strings.TrimSuffix(name, file))
	d := s.deviceOfFolder(who, device, folder)
	if d == nil {
		return "", errOthers
	}
	c := s.wires.Counts(d)
	switch file {
	case "address":
		if d.Layer3() {
			return "00:00:00:00:00:00\n", nil
		}
	case "addr_assign_type":
		if d.Layer3() {
			return "0\n", nil
		}
	case "iflink":
		peer := uint32(0)
		if d.Peer() != nil {
			peer = d.Peer().Index
		}
		return fmt.Sprintln(peer), nil
	case "duplex", "speed":
		return "", unix.EINVAL
	case "group", "owner", "tun_flags":
		return "", unix.ENOENT
	case "statistics/rx_packets":
		return fmt.Sprintln(c.RxPackets), nil
	case "statistics/rx_bytes":
		return fmt.Sprintln(c.RxBytes), nil
	case "statistics/tx_packets":
		return fmt.Sprintln(c.TxPackets), nil
	case "statistics/tx_bytes":
		return fmt.Sprintln(c.TxBytes), nil
	case "statistics/tx_dropped":
		var more uint64
		if text, err := os.ReadFile(folder + file); err == nil {
			_, _ = fmt.Sscan(string(text), &more)
		}
		return fmt.Sprintln(c.TxDropped + more), nil
	}
	return "", errOthers
}

// deviceOfFolder finds the netkit device of which a folder of sysfs tells, that of the
// caller's namespace if there are several: which namespace a sysfs shows is said nowhere.
func (s *supervisor) deviceOfFolder(who *caller, name, folder string) *rtnl.Device {
	text, err := os.ReadFile(folder + "ifindex")
	if err != nil {
		return nil
	}
	index, err := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 32)
	if err != nil {
		return nil
	}
	if d := s.rtnl.ByName(who.Netns(), name); d != nil && d.Wired() && d.Index == uint32(index) {
		return d
	}
	for d := range s.wires.ends {
		if d.Name == name && d.Index == uint32(index) {
			return d
		}
	}
	return nil
}
