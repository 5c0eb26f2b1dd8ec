package console

import (
	"strings"
)

// Complaint is a report in which a kernel says that something is wrong with itself.
type Complaint struct {
	Kind     Kind
	Headline string   // what it is, without the time
	Where    string   // the kernel's function, as name+0xOFFSET/0xSIZE; "" if it does not say
	Task     string   // the name of the task that ran or hangs; "" if it does not say
	Trace    []string // the functions that called it, the innermost first, without those that the kernel marks as uncertain
	Text     string   // the report as it was printed
}

// String is the headline, and where that was.
func (c Complaint) String() string {
	if c.Where == "" {
		return c.Headline
	}
	return strings.TrimSuffix(c.Headline, ".") + ", in " + c.Where
}

// Broken returns the first complaint after which nothing of the kernel counts.
func Broken(list []Complaint) (c Complaint, ok bool) {
	for _, c := range list {
		if c.Kind.Breaks() {
			return c, true
		}
	}
	return Complaint{}, false
}

var (
	// rip is where the kernel's own code was; a user program's has no names.
	rip   = compile(`^(?:RIP: [0-9a-f]{4}:|pc : |(?:WARNING|BUG): .* (?:at|in) )([\w.]+\+0x[0-9a-f]+/0x[0-9a-f]+)`)
	frame = compile(`^ *(?:\[<[0-9a-f]+>\] )?(\? )?([\w.]+\+0x[0-9a-f]+/0x[0-9a-f]+)(?: \[[\w ]+\])?$`)
	// beginStack is what comes before calls; KFENCE's says what has been done wrong.
	beginStack = compile(`^(?:Call Trace:|.* at .*\(in kfence-#\d+\):$)`)

	tasks = []*expression{
		compile(`^CPU: .*\bComm: (.+?) (?:Not tainted|Tainted: |Kdump: )`),
		compile(`^Pid: .*\bcomm: (.+?) (?:Not tainted|Tainted: )`), // User-Mode Linux
		compile(`^WARNING: .* CPU#\d+: (.+)/\d+$`),
		compile(`^INFO: task (.+):\d+ blocked`),
		compile(`^task:(\S+) +state:`),
		compile(`lockup - .*\[(.+):\d+\]$`),
		compile(`^(?:Read|Write|Free|Access) of .* by task (.+)/\d+$`), // KASAN
	}
	// plumbing is what every stack of its kind begins with.
	plumbing = compile(`^(?:__)?(?:dump_stack|show_stack|v?panic|schedule|io_schedule|might_resched|might_sleep|mutex_|rt_mutex_|rwsem_|down_|wait_for_)[\w.]*\+`)
)

// newComplaint makes a complaint of the lines of a report.
func newComplaint(kind Kind, lines []line, first int) Complaint {
	c := Complaint{Kind: kind, Headline: lines[first].message}
	var text []string
	stacks := 0
	for _, l := range lines {
		text = append(text, l.text)
		if m := rip.FindStringSubmatch(l.message); m != nil && c.Where == "" {
			c.Where = m[1]
		}
		for _, re := range tasks {
			if m := re.FindStringSubmatch(l.message); m != nil && c.Task == "" {
				c.Task = m[1]
			}
		}
		switch m := frame.FindStringSubmatch(l.message); {
		case beginStack.MatchString(l.message), stacks > 0 && (l.message == "" || endStack.MatchString(l.message)):
			stacks++
		case m != nil && m[1] == "" && stacks == 1:
			c.Trace = append(c.Trace, m[2])
		}
	}
	for _, f := range c.Trace {
		if c.Where == "" && !plumbing.MatchString(f) {
			c.Where = f
		}
	}
	c.Text = strings.Join(text, "\n")
	return c
}

// dull is what takes the source and the binary to be read: registers, code, the
// entry from a user's program, the contents of memory, calls that may not have been any.
var dull = compile(`^(?:RIP: 0033:0x|[RE]SP: |[RE]?[A-D]X: |R(?:BP|SI|DI|\d\d): |[CF]S: |CR\d: |DR\d: |PKRU: |PGD |Code: )|^(?:Redzone|Object|Padding|Bytes b4)? *>?[0-9a-f]{16}: |^$|^ *(?:\[<[0-9a-f]+>\] )?\? `)

// maxBrief is how many lines of a report are enough to tell what happened.
const maxBrief = 50

// Brief is the text without registers, code and uncertain calls, of no more lines than
// fit a screen.
func (c Complaint) Brief() string {
	var brief []string
	for text := range strings.Lines(c.Text) {
		l := parse(text)
		if dull.MatchString(l.message) {
			continue
		}
		if len(brief) == maxBrief {
			brief = append(brief, "[...]")
			break
		}
		brief = append(brief, l.text)
	}
	return strings.Join(brief, "\n")
}
