package fake

import (
	"strconv"
	"strings"

	"github.com/nkconform/nkconform/internal/ids"
	"github.com/nkconform/nkconform/mprog"
)

// Step is one check of a call, or one thing that it did.
type Step struct {
	Rule   mprog.Rule // empty for what was done
	Text   string     // what was found, with the numbers
	Passed bool       // false: here the call was refused
}

// trail collects the steps of a call in hand. A process has one only while
// somebody observes.
type trail struct{ steps []step }

// step is a step whose text is not yet written out.
type step struct {
	rule *RuleInfo
	a, b uint64
}

// passed notes that a check has been passed, with the numbers that its rule's
// text has places for. There is no process where nobody asks.
func (p *Process) passed(r *RuleInfo, a, b uint64) {
	if p != nil && p.trail != nil {
		p.trail.add(step{r, a, b})
	}
}

func (t *trail) add(s step) { t.steps = append(t.steps, s) }

// written returns the steps written out, with names beside ids; with the refusal,
// if there is one, as the last.
func (t *trail) written(k *Kernel, err error) []Step {
	list := make([]Step, 0, len(t.steps)+1)
	for _, s := range t.steps {
		list = append(list, Step{Rule: s.rule.ID, Text: k.withNames(s.String()), Passed: true})
	}
	if e, ok := err.(*mprog.Error); ok {
		list = append(list, Step{Rule: e.Rule, Text: k.withNames(e.Detail)})
	}
	return list
}

// withNames puts the names of programs and links behind their ids.
func (k *Kernel) withNames(text string) string {
	return ids.Replace(text, func(kind string, id uint32) string {
		plain := kind + " id " + decimal(id)
		switch p, l := k.progs[id], k.links[id]; {
		case kind == "program" && p != nil:
			return plain + " (" + p.label() + ")"
		case kind == "link" && l != nil:
			return plain + " (" + l.label() + ")"
		}
		return plain
	})
}

// String fills in the numbers: $1 and $2 in decimal, $i1 with a sign, $f1 as
// flags, $t1 as an attach type, $x1 in hexadecimal.
func (s step) String() string {
	text := s.rule.pass
	if text == "" {
		return s.rule.Text
	}
	return strings.NewReplacer(
		"$1", strconv.FormatUint(s.a, 10), "$2", strconv.FormatUint(s.b, 10),
		"$i1", strconv.FormatInt(int64(s.a), 10), "$i2", strconv.FormatInt(int64(s.b), 10),
		"$f1", mprog.Flags(s.a).String(), "$t1", mprog.AttachType(s.a).String(),
		"$x1", "0x"+strconv.FormatUint(s.a, 16), "$x2", "0x"+strconv.FormatUint(s.b, 16),
	).Replace(text)
}

// What calls do is told like what they check.
var (
	besideBefore     = done("before: the one in front is position $i1")
	besideAfter      = done("after: the place behind is position $i1")
	frontOfAll       = done("before: position $i1, in front of all")
	behindAll        = done("after: position $i1, behind all")
	relativeIsProg   = done("the relative object is program id $1")
	relativeIsLink   = done("the relative object is link id $1")
	didAttach        = done("attached at position $1, the hook is at revision $2")
	didAttachBehind  = done("attached behind that, at position $1, the hook is at revision $2")
	didDetach        = done("detached from position $1, the hook is at revision $2")
	didLink          = done("link id $1 is made")
	didNothing       = done("program id $1 is the link's already: nothing happens")
	didDetachDefunct = done("link id $1 is defunct already: nothing happens")
	didQuery         = done("revision $1, $2 programs")
)

// done makes what passed tells of a thing that was done.
func done(text string) *RuleInfo { return &RuleInfo{pass: text} }
