package machine

import (
	"bytes"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// format is bpf_bprintf_prepare and bstr_printf: a text of a format and its
// arguments, of which strings are addresses. In what is printed for people the
// format has a final zero.
func (m *run) format(format []byte, arguments []uint64, final bool) (text []byte, errno int, err error) {
	end := bytes.IndexByte(format, 0)
	if final && end < 0 {
		return nil, invalid, nil
	}
	if end >= 0 {
		format = format[:end]
	}
	for at := 0; at < len(format); at++ {
		c := format[at]
		if c >= 0x80 || c < ' ' && !isSpace(c) {
			return nil, invalid, nil
		}
		if c != '%' {
			text = append(text, c)
			continue
		}
		if at+1 < len(format) && format[at+1] == '%' {
			text = append(text, '%')
			at++
			continue
		}
		verb, n := verbOf(format[at+1:])
		if n == 0 || len(arguments) == 0 {
			return nil, invalid, nil
		}
		at += n
		piece, errno, err := m.formatOne(verb, arguments[0])
		if errno != 0 || err != nil {
			return nil, errno, err
		}
		text, arguments = append(text, piece...), arguments[1:]
	}
	return text, 0, nil
}

// verb is a conversion: flags and width as they stand, and what it is of.
type verb struct {
	flags string
	width int
	kind  string // d, u, x, X, s, c, p, with l before it; pI4 and so on
}

// verbOf reads a conversion behind its %, and how long it is; 0 if there is none
// such.
func verbOf(format []byte) (v verb, n int) {
	for n < len(format) && bytes.IndexByte([]byte("0+- "), format[n]) >= 0 {
		n++
	}
	v.flags = string(format[:n])
	digits := n
	for n < len(format) && format[n] >= '0' && format[n] <= '9' {
		n++
	}
	v.width, _ = strconv.Atoi(string(format[digits:n]))
	rest := string(format[n:])
	for _, kind := range []string{
		"pI4", "pi4", "pI6", "pi6", "px", "pK", "pks", "pus", "pB", "pS", "ps", "p", "s", "c",
		"lld", "lli", "llu", "llx", "llX", "ld", "li", "lu", "lx", "lX", "d", "i", "u", "x", "X",
	} {
		if len(rest) >= len(kind) && rest[:len(kind)] == kind {
			v.kind = kind
			return v, n + len(kind)
		}
	}
	return verb{}, 0
}

func (m *run) formatOne(v verb, argument uint64) (piece string, errno int, err error) {
	switch v.kind {
	case "pI4", "pi4", "pI6", "pi6":
		n := 4
		if v.kind[2] == '6' {
			n = 16
		}
		p, err := m.bytes(argument, n)
		if err != nil {
			return "", 0, err
		}
		address, _ := netip.AddrFromSlice(p)
		switch v.kind {
		case "pi4":
			piece = fmt.Sprintf("%03d.%03d.%03d.%03d", p[0], p[1], p[2], p[3])
		case "pI6":
			piece = address.StringExpanded()
		case "pi6":
			piece = fmt.Sprintf("%032x", p)
		default:
			piece = address.String()
		}
		return piece, 0, nil
	case "s":
		text, err := m.text(argument)
		return pad(v, string(text)), 0, err
	case "c":
		return pad(v, string([]byte{byte(argument)})), 0, nil
	case "p", "px", "pK", "pks", "pus", "pB", "pS", "ps":
		return "", 0, fmt.Errorf("%%%s: %w", v.kind, ErrUnknown)
	}
	return v.number(argument), 0, nil
}

// number formats a number, of 32 bits if there is no l.
func (v verb) number(argument uint64) string {
	kind := v.kind[len(v.kind)-1]
	long := len(v.kind) > 1
	flags := "%" + v.flags
	if kind != 'd' && kind != 'i' { // of a number without a sign
		flags = "%" + strings.NewReplacer("+", "", " ", "").Replace(v.flags)
	}
	if v.width > 0 {
		flags += strconv.Itoa(v.width)
	}
	switch {
	case (kind == 'd' || kind == 'i') && long:
		return fmt.Sprintf(flags+"d", int64(argument))
	case kind == 'd' || kind == 'i':
		return fmt.Sprintf(flags+"d", int32(uint32(argument)))
	case kind == 'u' && long:
		return fmt.Sprintf(flags+"d", argument)
	case kind == 'u':
		return fmt.Sprintf(flags+"d", uint32(argument))
	case long:
		return fmt.Sprintf(flags+string(kind), argument)
	}
	return fmt.Sprintf(flags+string(kind), uint32(argument))
}

func pad(v verb, text string) string {
	if bytes.IndexByte([]byte(v.flags), '-') >= 0 {
		return fmt.Sprintf("%-*s", v.width, text)
	}
	return fmt.Sprintf("%*s", v.width, text)
}
