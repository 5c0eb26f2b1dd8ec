package machine

import (
	"bytes"
	"cmp"
	"math"
)

// Flags and limits of bpf_strtol and bpf_strtoul.
const (
	baseMask  = 0x1f // BPF_STRTOX_BASE_MASK
	maxDigits = 63   // of which a number is read
)

// parse reads a number as bpf_strtol and bpf_strtoul do. It returns how many
// characters there are.
func parse(text []byte, flags uint64) (v uint64, negative bool, used, errno int) {
	base := flags
	if flags&^baseMask != 0 || base != 0 && base != 8 && base != 10 && base != 16 || len(text) == 0 {
		return 0, false, 0, invalid
	}
	at := 0
	for at < len(text) && isSpace(text[at]) {
		at++
	}
	if negative = at < len(text) && text[at] == '-'; negative {
		at++
	}
	rest := text[at:]
	if len(rest) == 0 {
		return 0, false, 0, invalid
	}
	rest = rest[:min(len(rest), maxDigits)]
	base, skip := radix(rest, base)
	v, n, overflow := digits(rest[skip:], base)
	switch {
	case overflow:
		return 0, false, 0, outOfRange
	case n == 0:
		return 0, false, 0, invalid
	}
	return v, negative, at + skip + n, 0
}

func isSpace(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' || c == 0xa0 }

// radix is a number's base, and how long the prefix is that says so.
func radix(text []byte, base uint64) (_ uint64, skip int) {
	hex := len(text) > 2 && text[0] == '0' && text[1]|0x20 == 'x'
	if base == 0 {
		switch {
		case hex && digit(text[2]) < 16:
			base = 16
		case text[0] == '0':
			base = 8
		default:
			base = 10
		}
	}
	if base == 16 && len(text) >= 2 && text[0] == '0' && text[1]|0x20 == 'x' {
		return base, 2
	}
	return base, 0
}

func digit(c byte) uint64 {
	switch l := c | 0x20; {
	case c >= '0' && c <= '9':
		return uint64(c - '0')
	case l >= 'a' && l <= 'f':
		return uint64(l-'a') + 10
	}
	return math.MaxUint64
}

func digits(text []byte, base uint64) (v uint64, n int, overflow bool) {
	for n < len(text) {
		d := digit(text[n])
		if d >= base {
			break
		}
		if v > (math.MaxUint64-d)/base {
			overflow = true
		}
		v = v*base + d
		n++
	}
	return v, n, overflow
}

func (m *run) parseSigned() (uint64, error) {
	return m.parse(func(v uint64, negative bool) (uint64, int) {
		switch {
		case negative && int64(-v) > 0, !negative && int64(v) < 0:
			return 0, outOfRange
		case negative:
			return -v, 0
		}
		return v, 0
	})
}

func (m *run) parseUnsigned() (uint64, error) {
	return m.parse(func(v uint64, negative bool) (uint64, int) {
		if negative {
			return 0, invalid
		}
		return v, 0
	})
}

func (m *run) parse(check func(v uint64, negative bool) (uint64, int)) (uint64, error) {
	text, err := m.bytes(m.r[1], int(m.r[2]))
	if err != nil {
		return 0, err
	}
	to, err := m.bytes(m.r[4], 8)
	if err != nil {
		return 0, err
	}
	clear(to)
	v, negative, used, errno := parse(text, m.r[3])
	if errno == 0 {
		v, errno = check(v, negative)
	}
	if errno != 0 {
		return failed(errno), nil
	}
	native.PutUint64(to, v)
	return uint64(used), nil
}

// compareStrings is bpf_strncmp.
func (m *run) compareStrings() (uint64, error) {
	a, err := m.bytes(m.r[1], int(uint32(m.r[2])))
	if err != nil {
		return 0, err
	}
	b, err := m.text(m.r[3])
	if err != nil {
		return 0, err
	}
	a, _, _ = bytes.Cut(a, []byte{0})
	if n := int(uint32(m.r[2])); len(b) > n {
		b = b[:n]
	}
	return uint64(int64(cmp.Compare(string(a), string(b)))), nil
}

// text is a string in memory, up to its zero.
func (m *run) text(address uint64) ([]byte, error) {
	if _, err := m.bytes(address, 1); err != nil {
		return nil, err
	}
	rest := m.regions[address>>regionBits-1][address&(1<<regionBits-1):]
	text, _, _ := bytes.Cut(rest, []byte{0})
	return text, nil
}

// tracePrintk is bpf_trace_printk: it returns how long the text is.
func (m *run) tracePrintk() (uint64, error) {
	format, err := m.bytes(m.r[1], int(uint32(m.r[2])))
	if err != nil {
		return 0, err
	}
	return m.trace(format, m.r[3:6])
}

// traceVprintk is bpf_trace_vprintk, with arguments in memory.
func (m *run) traceVprintk() (uint64, error) {
	format, err := m.bytes(m.r[1], int(uint32(m.r[2])))
	if err != nil {
		return 0, err
	}
	arguments, errno, err := m.arguments(m.r[3], uint32(m.r[4]))
	if errno != 0 || err != nil {
		return failed(errno), err
	}
	return m.trace(format, arguments)
}

const maxTraced = 1024 // MAX_BPRINTF_BUF

func (m *run) trace(format []byte, arguments []uint64) (uint64, error) {
	text, errno, err := m.format(format, arguments, true)
	if errno != 0 || err != nil {
		return failed(errno), err
	}
	m.world.Trace(string(text[:min(len(text), maxTraced-1)]))
	return uint64(len(text)), nil
}

const maxArguments = 12 // MAX_BPRINTF_VARARGS

// arguments reads numbers of 64 bits, of a size in bytes.
func (m *run) arguments(address uint64, size uint32) (list []uint64, errno int, err error) {
	if size%8 != 0 || size > maxArguments*8 || size > 0 && address == 0 {
		return nil, invalid, nil
	}
	if size == 0 {
		return nil, 0, nil
	}
	p, err := m.bytes(address, int(size))
	for ; len(p) > 0; p = p[8:] {
		list = append(list, native.Uint64(p))
	}
	return list, 0, err
}

// snprintf is bpf_snprintf: it returns how long the text would be with its zero.
func (m *run) snprintf() (uint64, error) {
	to, err := m.bytes(m.r[1], int(uint32(m.r[2])))
	if err != nil {
		return 0, err
	}
	format, err := m.text(m.r[3])
	if err != nil {
		return 0, err
	}
	arguments, errno, err := m.arguments(m.r[4], uint32(m.r[5]))
	if errno != 0 || err != nil {
		return failed(errno), err
	}
	text, errno, err := m.format(format, arguments, false)
	if errno != 0 || err != nil {
		return failed(errno), err
	}
	if n := copy(to, text); len(to) > 0 {
		to[min(n, len(to)-1)] = 0
	}
	return uint64(len(text)) + 1, nil
}
