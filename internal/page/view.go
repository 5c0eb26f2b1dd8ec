package page

import (
	"slices"
	"strings"

	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/internal/picture"
	"github.com/nkconform/nkconform/mprog"
)

// View is what is drawn. It follows from the state alone, but for Moved, Mistake and
// Note, which are of the last action.
type View struct {
	Link     string // that leads to this state; "": the page begins so
	Release  string
	Releases []string
	Features []FeatureView
	Lessons  []LessonHead
	Lesson   *LessonView

	Devices  []DeviceView
	Cgroups  []CgroupView
	Programs []picture.Program
	Links    []LinkView
	Pins     []PinView
	Loads    []Offer // programs that can be made
	Makes    []Offer // what has hooks

	Steps []StepView // all, also those that are taken back
	At    int        // how many are played
	Now   *NowView   // the last that is played

	Moved   bool // the last action played it: it is shown as it happens
	Mistake *Mistake
	Note    string
}

// FeatureView is a feature that the release may be built without.
type FeatureView struct {
	Name string
	On   bool
}

// LessonHead is a lesson in the list of them.
type LessonHead struct {
	ID, Title string
	Done      bool
}

// LessonView is the lesson in hand.
type LessonView struct {
	ID, Title, Task string
	Text            []string
	Goals           []GoalView
	Done            bool
	Solution        []string
	Next            string // id of the lesson behind it
	Families        []Family
}

// GoalView is a goal, and whether it is reached.
type GoalView struct {
	Text string
	Met  bool
}

// DeviceView is a device.
type DeviceView struct {
	Name, Netns, Kind, Peer string
	Primary                 bool
	Policy, Qdisc           string
	Hooks                   []HookView
	Sends                   bool // it can transmit a packet
}

// HookView is a hook, with what the last step did to it.
type HookView struct {
	Name, Says string
	Filters    bool
	Revision   uint64
	Query      uint64 // what a query says, where that is another revision
	Entries    []picture.Entry
	Shown      []picture.Entry // Entries with those that are new marked, and those that are gone still there
	Changed    bool
	Stop       *picture.Stop   // of the packet
	Cgroup     string          // that has it; "": it is a device's
	Mode       string          // of a cgroup's hook: none, override or multi
	Runs       []picture.Entry // in the cgroup, where that is not the list itself, marked as Shown is
}

// CgroupView is a cgroup.
type CgroupView struct {
	Name, Parent string
	Depth        int
	Processes    []string
	Hooks        []HookView
	Offers       []Offer
}

// LinkView is a link, and what can be done with it.
type LinkView struct {
	picture.Link
	Offers []Offer
}

// PinView is a pin.
type PinView struct {
	picture.Pin
	Offers []Offer
}

// StepView is a statement in the list of them.
type StepView struct {
	Text, Answer, Caption string
	Pictures              []string
	Refused, Stage        bool
}

// NowView is the statement that is looked at.
type NowView struct {
	Text    string
	Answer  string
	Caption string
	Changes []picture.Change
	Refusal *picture.Refusal
	Checks  []picture.Check
	Packet  *picture.Packet
	Code    []picture.Code
}

// View returns what is to be drawn.
func (a *App) View() View {
	state := a.current()
	v := View{
		Release: a.State.Release, At: a.at(),
		Moved: a.moved, Mistake: a.mistake, Note: a.note,
		Programs: state.Programs, Loads: a.programs(), Makes: a.devices(),
	}
	if !a.State.begins() {
		v.Link = a.State.String()
	}
	if v.Release == "" {
		v.Release = fake.Newest.String()
	}
	for _, r := range slices.Backward(fake.Releases()) {
		v.Releases = append(v.Releases, r.String())
	}
	v.Features = a.features()
	for _, l := range Lessons {
		v.Lessons = append(v.Lessons, LessonHead{l.ID, l.Title, slices.Contains(a.State.Done, l.ID)})
	}
	v.Lesson = a.lessonView()
	for _, s := range a.steps {
		v.Steps = append(v.Steps, stepView(s))
	}
	for i := range a.stage {
		v.Steps[i].Stage, v.Steps[i].Caption = true, lesson(a.State.Lesson).Stage[i].Caption
	}
	var now *picture.Step
	if v.At > 0 {
		now = &a.steps[v.At-1]
		shown := v.Steps[v.At-1]
		v.Now = &NowView{
			Text: shown.Text, Answer: shown.Answer, Caption: shown.Caption, Changes: now.Changes, Refusal: now.Refusal,
			Checks: now.Checks, Packet: now.Packet, Code: now.Code(),
		}
	}
	for _, d := range state.Devices {
		if d.Used() {
			v.Devices = append(v.Devices, deviceView(d, now))
		}
	}
	for _, c := range state.Cgroups {
		v.Cgroups = append(v.Cgroups, a.cgroupView(c, now))
	}
	for _, l := range state.Links {
		v.Links = append(v.Links, LinkView{l, a.linkOffers(l)})
	}
	for _, p := range state.Pins {
		v.Pins = append(v.Pins, PinView{p, a.pinOffers(p)})
	}
	return v
}

func (a *App) features() (list []FeatureView) {
	r, err := fake.ParseRelease(a.State.Release)
	if err != nil {
		r = fake.Newest
	}
	k := fake.New(fake.Running(r))
	for _, f := range mprog.Features {
		if k.Supports(f) == nil {
			list = append(list, FeatureView{string(f), !slices.Contains(a.State.Without, string(f))})
		}
	}
	return list
}

func (a *App) lessonView() *LessonView {
	l := lesson(a.State.Lesson)
	if l == nil {
		return nil
	}
	p := a.played()
	v := &LessonView{ID: l.ID, Title: l.Title, Task: l.Task, Text: l.Text, Solution: l.Solution, Done: true}
	for _, g := range l.Goals {
		met := g.met(p)
		v.Goals, v.Done = append(v.Goals, GoalView{g.Text, met}), v.Done && met
	}
	if l.Families {
		v.Families = Families()
	}
	for i := range Lessons[:len(Lessons)-1] {
		if Lessons[i].ID == l.ID {
			v.Next = Lessons[i+1].ID
		}
	}
	return v
}

func stepView(s picture.Step) StepView {
	v := StepView{Text: s.Line.Statement.Call(), Answer: s.Answer.String(), Refused: s.Refusal != nil}
	for _, c := range s.Changes {
		text := picture.Style{}.Change(c)
		if len(s.Changes) > 1 || !strings.Contains(v.Text, c.Hook) {
			text = c.Hook + " " + text
		}
		v.Pictures = append(v.Pictures, text)
	}
	return v
}

func deviceView(d picture.Device, now *picture.Step) DeviceView {
	v := DeviceView{Name: d.Name, Netns: d.Netns, Kind: d.Kind, Peer: d.Peer, Primary: d.Primary, Policy: d.Policy, Qdisc: d.Qdisc}
	v.Sends = d.Netns == "" && (d.Kind == string(mprog.Netkit) && d.Peer != "" || d.Kind == "loopback")
	for _, h := range d.Hooks {
		hook := hookView(h, now)
		hook.Says = says(d, h)
		if len(h.Entries) == 0 && h.Revision != 1 && d.Qdisc == "" {
			hook.Query = 1
		}
		v.Hooks = append(v.Hooks, hook)
	}
	return v
}

// hookView is a hook with what the last step did to it.
func hookView(h picture.Hook, now *picture.Step) HookView {
	hook := HookView{Name: h.Name, Filters: h.Filters, Revision: h.Revision, Entries: h.Entries, Shown: h.Entries, Cgroup: h.Cgroup, Mode: h.Mode}
	if h.Cgroup != "" && !picture.Same(h.Entries, h.Runs) {
		hook.Runs = h.Runs
	}
	if now == nil {
		return hook
	}
	for _, c := range now.Changes {
		switch {
		case c.Hook != h.Name || c.Filters != h.Filters || c.Deleted:
		case c.Runs && hook.Runs != nil:
			hook.Runs = c.After
		case !c.Runs:
			hook.Shown, hook.Changed = merged(c), true
		}
	}
	if now.Packet != nil {
		for i, s := range now.Packet.Stops {
			if s.Hook == h.Name && s.Filters == h.Filters {
				hook.Stop = &now.Packet.Stops[i]
			}
		}
	}
	return hook
}

// says tells when a hook's programs run.
func says(d picture.Device, h picture.Hook) string {
	switch {
	case h.Filters && strings.HasSuffix(h.Name, ":egress"):
		return "filters: " + d.Name + " transmits"
	case h.Filters:
		return "filters: " + d.Name + " receives"
	case strings.HasSuffix(h.Name, ":egress"):
		return "tcx: " + d.Name + " transmits"
	case strings.HasSuffix(h.Name, ":ingress"):
		return "tcx: " + d.Name + " receives"
	}
	return "netkit: " + d.Name + " transmits"
}

// merged is the list after a change, with what is gone where it was.
func merged(c picture.Change) (list []picture.Entry) {
	before, after := c.Before, c.After
	for len(before) > 0 || len(after) > 0 {
		switch {
		case len(before) > 0 && before[0].Gone:
			list, before = append(list, before[0]), before[1:]
		case len(after) == 0:
			before = before[1:]
		case after[0].New || len(before) == 0:
			list, after = append(list, after[0]), after[1:]
		default:
			list, before, after = append(list, after[0]), before[1:], after[1:]
		}
	}
	return list
}
