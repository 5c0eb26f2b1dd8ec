package trace

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/nkconform/nkconform/mprog"
)

// IsName reports whether s can be the name of a device, program or link: a
// letter, then letters, digits, - and _, at most 15 bytes.
func IsName(s string) bool {
	if s == "" || len(s) > 15 {
		return false
	}
	for i, c := range []byte(s) {
		letter := c|0x20 >= 'a' && c|0x20 <= 'z' || c == '_'
		if !letter && (i == 0 || c != '-' && (c < '0' || c > '9')) {
			return false
		}
	}
	return true
}

// ParseNumber reads a number of 32 bits, decimal or hexadecimal; a negative
// one stands for the same bits, so that -1 is 0xffffffff.
func ParseNumber(s string) (uint32, error) {
	if strings.HasPrefix(s, "-") {
		n, err := strconv.ParseInt(s, 0, 32)
		if err != nil {
			return 0, fmt.Errorf("expected a number of 32 bits, found %q", s)
		}
		return uint32(n), nil
	}
	n, err := strconv.ParseUint(s, 0, 32)
	if err != nil {
		return 0, fmt.Errorf("expected a number of 32 bits, found %q", s)
	}
	return uint32(n), nil
}

// ParseNumber16 reads a number of 16 bits, decimal or hexadecimal.
func ParseNumber16(s string) (uint16, error) {
	n, err := strconv.ParseUint(s, 0, 16)
	if err != nil {
		return 0, fmt.Errorf("expected a number of 16 bits, found %q", s)
	}
	return uint16(n), nil
}

// ParseQdiscKind reads the kind of a qdisc: clsact or ingress.
func ParseQdiscKind(s string) (mprog.QdiscKind, error) {
	switch k := mprog.QdiscKind(s); k {
	case mprog.Clsact, mprog.Ingress:
		return k, nil
	}
	return "", fmt.Errorf("expected clsact or ingress, found %q", s)
}

// SplitHook splits DEVICE:TYPE into the device, a name or an ifindex, or a cgroup,
// a name or an fd, and the attach type.
func SplitHook(s string) (device string, typ mprog.AttachType, err error) {
	device, t, ok := strings.Cut(s, ":")
	if !ok {
		return "", 0, fmt.Errorf("expected a hook such as nk0:primary, found %q", s)
	}
	if typ, err = ParseAttachType(t); err != nil {
		return "", 0, err
	}
	return device, typ, nil
}

// ParseAttachType reads an attach type by its name or its number.
func ParseAttachType(s string) (mprog.AttachType, error) {
	typ, ok := mprog.ParseAttachType(s)
	if !ok {
		return 0, fmt.Errorf("expected an attach type (primary, peer, ingress, egress, xdp, cgroup_inet_ingress and so on, or a number), found %q", s)
	}
	return typ, nil
}

// SplitID splits NAME+N, the id that is N above another, into NAME and N; any
// other word is itself and 0.
func SplitID(s string) (name string, above uint32, err error) {
	name, n, ok := strings.Cut(s, "+")
	if !ok {
		return s, 0, nil
	}
	v, err := strconv.ParseUint(n, 10, 16)
	if err != nil || !IsName(name) {
		return "", 0, fmt.Errorf("expected an id such as l+1, found %q", s)
	}
	return name, uint32(v), nil
}

// Expand returns the names that a word stands for: p1..p63 for 63 of them, any
// other word for itself.
func Expand(s string) ([]string, error) {
	from, to, ok := strings.Cut(s, "..")
	if !ok {
		return []string{s}, nil
	}
	prefix, first, ok1 := splitNumber(from)
	prefix2, last, ok2 := splitNumber(to)
	if !ok1 || !ok2 || prefix != prefix2 || last < first || last-first >= 1000 {
		return nil, fmt.Errorf("expected a range such as p1..p63, found %q", s)
	}
	var names []string
	for n := first; n <= last; n++ {
		names = append(names, prefix+strconv.Itoa(n))
	}
	return names, nil
}

// splitNumber splits p12 into p and 12.
func splitNumber(s string) (prefix string, n int, ok bool) {
	prefix = strings.TrimRight(s, "0123456789")
	digits := s[len(prefix):]
	n, err := strconv.Atoi(digits)
	return prefix, n, err == nil && IsName(s) && (digits == "0" || digits[0] != '0')
}

// ParseMode reads the mode of a netkit device: l2 or l3.
func ParseMode(s string) (mprog.NetkitMode, error) {
	switch s {
	case "l2":
		return mprog.L2, nil
	case "l3":
		return mprog.L3, nil
	}
	return 0, fmt.Errorf("expected l2 or l3, found %q", s)
}

// ParsePolicy reads the policy of a netkit device: forward or blackhole.
func ParsePolicy(s string) (mprog.NetkitPolicy, error) {
	switch s {
	case "forward":
		return mprog.Forward, nil
	case "blackhole":
		return mprog.Blackhole, nil
	}
	return 0, fmt.Errorf("expected forward or blackhole, found %q", s)
}

// ParseCapabilities reads capabilities joined by +.
func ParseCapabilities(s string) ([]mprog.Capability, error) {
	var list []mprog.Capability
	for _, part := range strings.Split(s, "+") {
		c, ok := mprog.ParseCapability(part)
		if !ok {
			return nil, fmt.Errorf("expected net_admin, sys_admin, perfmon or bpf, joined by +, found %q", part)
		}
		list = append(list, c)
	}
	return list, nil
}

var progTypes = map[string]mprog.ProgType{
	"sched_cls": mprog.SchedCLS, "xdp": mprog.XDP, "socket_filter": mprog.SocketFilter,
	"cgroup_skb": mprog.CgroupSKB, "cgroup_sock": mprog.CgroupSock, "sock_ops": mprog.SockOps,
	"cgroup_device": mprog.CgroupDevice, "cgroup_sock_addr": mprog.CgroupSockAddr,
	"cgroup_sysctl": mprog.CgroupSysctl, "cgroup_sockopt": mprog.CgroupSockopt,
}

// ParseProgType reads a program type by its name, as libbpf has it, or by its number.
func ParseProgType(s string) (mprog.ProgType, error) {
	if t, ok := progTypes[s]; ok {
		return t, nil
	}
	n, err := ParseNumber(s)
	if err != nil {
		return 0, fmt.Errorf("expected a program type (sched_cls, xdp, socket_filter, cgroup_skb and so on, or a number), found %q", s)
	}
	return mprog.ProgType(n), nil
}

// FormatProgType is the inverse of [ParseProgType].
func FormatProgType(t mprog.ProgType) string {
	for name, v := range progTypes {
		if v == t {
			return name
		}
	}
	return strconv.FormatUint(uint64(t), 10)
}

// FormatNumbers writes the numbers of an array, joined by commas: 0*3,8 is three
// times 0 and once 8. An empty one is none.
func FormatNumbers(list []uint32) string {
	if len(list) == 0 {
		return "none"
	}
	var words []string
	for i := 0; i < len(list); {
		n := 1
		for i+n < len(list) && list[i+n] == list[i] {
			n++
		}
		word := strconv.FormatUint(uint64(list[i]), 10)
		if n > 1 {
			word += "*" + strconv.Itoa(n)
		}
		words = append(words, word)
		i += n
	}
	return strings.Join(words, ",")
}

// isNumbers reports whether s could be what FormatNumbers writes.
func isNumbers(s string) bool {
	for word := range strings.SplitSeq(s, ",") {
		value, times, repeated := strings.Cut(word, "*")
		if _, err := ParseNumber(value); err != nil || repeated && !isDecimal(times) {
			return false
		}
	}
	return true
}
