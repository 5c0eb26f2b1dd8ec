package page

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/internal/picture"
	"github.com/nkconform/nkconform/mprog"
	"github.com/nkconform/nkconform/trace"
)

// Action is what somebody does on the page.
type Action struct {
	Do    string // say, back, forth, go, restart, lesson, release, feature, open
	Text  string // say: lines; lesson: id; release: version; feature: name; open: a link's state
	At    int    // go: how many statements are played then
	Yes   bool   // feature: the kernel has it
	Pick  Pick   // propose, with Place
	Place Place
}

// App is a page that is open: its state, and what has been played of it.
type App struct {
	State   State
	session *picture.Session // that has played all of steps
	steps   []picture.Step   // of all statements, the lesson's stage first
	stage   int              // how many statements are the lesson's
	moved   bool             // the last action played a statement that had not been played just before
	mistake *Mistake
	note    string // what the last action has to say
}

// Mistake is a line that could not be played. It stays with whoever wrote it.
type Mistake struct {
	Text   string // the lines that were not played, the wrong one first
	Column int    // in the first of them, from 1 in bytes; 0: it is not known which word
	Reason string
}

// Open returns the page that a link leads to; "" to the first lesson.
func Open(link string) (*App, error) {
	a := &App{}
	s, err := ParseState(link)
	if err != nil {
		a.reset(State{})
		return a, err
	}
	return a, a.reset(s)
}

// reset plays a state from the beginning. The error is of a release that nobody knows,
// or of a statement that cannot be played; what is behind it is left out.
func (a *App) reset(s State) error {
	options := []fake.Option{}
	if s.Release != "" {
		r, err := fake.ParseRelease(s.Release)
		if err != nil {
			s.Release = ""
			return errors.Join(err, a.reset(s))
		}
		options = append(options, fake.Running(r))
	}
	for _, f := range s.Without {
		options = append(options, fake.Without(mprog.Feature(f)))
	}
	a.State, a.session, a.steps, a.stage = s, picture.New(options...), nil, 0
	a.mistake, a.note, a.moved = nil, "", false
	if l := lesson(s.Lesson); l != nil {
		for _, line := range l.Stage {
			if err := a.play(line.Text); err != nil {
				a.State.Said, a.State.Back = nil, 0
				return fmt.Errorf("the lesson's stage, on this kernel: %w", err)
			}
		}
		a.stage = len(a.steps)
	}
	for i, text := range s.Said {
		if err := a.play(text); err != nil {
			a.State.Said, a.State.Back = s.Said[:i], 0
			return fmt.Errorf("%q, on this kernel: %w", text, err)
		}
	}
	a.State.Back = min(max(0, a.State.Back), len(a.steps))
	return nil
}

// play plays one line, if it is a statement.
func (a *App) play(text string) error {
	step, err := a.session.Do(text)
	if err == nil && step.Line.Statement != nil {
		a.steps = append(a.steps, step)
	}
	return err
}

// at is how many statements are played, as one sees it.
func (a *App) at() int { return len(a.steps) - a.State.Back }

// Do does what somebody asks for.
func (a *App) Do(act Action) {
	a.mistake, a.note, a.moved = nil, "", false
	before := a.at()
	var err error
	switch act.Do {
	case "say":
		err = a.say(act.Text)
	case "back":
		a.State.Back = min(a.State.Back+1, len(a.steps))
	case "forth":
		a.State.Back = max(a.State.Back-1, 0)
	case "go":
		a.State.Back = len(a.steps) - min(max(act.At, 0), len(a.steps))
	case "restart":
		s := a.State
		s.Said, s.Back = nil, 0
		err = a.reset(s)
	case "lesson":
		s := a.State
		s.Lesson, s.Said, s.Back = act.Text, nil, 0
		if act.Text != "" && lesson(act.Text) == nil {
			s.Lesson = ""
		}
		err = a.reset(s)
	case "release":
		s := a.State
		s.Release = act.Text
		if act.Text == fake.Newest.String() {
			s.Release = ""
		}
		err = a.reset(s)
	case "feature":
		s := a.State
		s.Without = slices.DeleteFunc(slices.Clone(s.Without), func(f string) bool { return f == act.Text })
		if !act.Yes {
			s.Without = append(s.Without, act.Text)
			slices.Sort(s.Without)
		}
		err = a.reset(s)
	case "open":
		var s State
		if s, err = ParseState(act.Text); err == nil {
			err = a.reset(s)
		}
	case "drop":
		err = a.drop(act.Pick, act.Place)
	default:
		err = fmt.Errorf("unknown action %q", act.Do)
	}
	if err != nil {
		a.note = err.Error()
	}
	if act.Do == "say" || act.Do == "forth" || act.Do == "drop" {
		a.moved = a.at() > before || act.Do != "forth" && a.mistake == nil && err == nil
	}
	a.learned()
}

// say plays lines. Statements that were taken back and not played again are forgotten
// once one of the lines is right.
func (a *App) say(text string) error {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	for i, line := range lines {
		if strings.TrimSpace(line) == "" || strings.HasPrefix(strings.TrimSpace(line), "#") {
			continue
		}
		if err := a.append(line); err != nil {
			a.mistake = &Mistake{Text: strings.Join(lines[i:], "\n"), Reason: err.Error()}
			var wrong *trace.Error
			if errors.As(err, &wrong) {
				a.mistake.Column, a.mistake.Reason = wrong.Col, wrong.Msg
			}
			return nil
		}
	}
	return nil
}

// append plays a statement behind those that are played.
func (a *App) append(line string) error {
	line = strings.TrimSpace(line)
	if a.State.Back == 0 {
		if err := a.play(line); err != nil {
			return err
		}
		a.State.Said = append(a.State.Said, line)
		return nil
	}
	was := *a
	s := a.State
	if keep := a.at() - a.stage; keep >= 0 {
		s.Said = slices.Clone(s.Said[:keep])
	} else { // within the lesson's stage, which stays
		s.Said = nil
	}
	s.Back = 0
	err := a.reset(s)
	if err == nil {
		err = a.play(line)
	}
	if err != nil {
		*a = was // nothing is lost
		return err
	}
	a.State.Said = append(a.State.Said, line)
	return nil
}

// Complete returns the words that may stand at the end of a line, and where the word
// begins that they take the place of.
func (a *App) Complete(line string) (words []string, start int) {
	return a.session.Reader().Complete(line)
}

// played is what has been played, as goals look at it.
type played struct {
	state picture.State
	own   []ownStep // the learner's
}

// ownStep is a statement of the learner.
type ownStep struct {
	verb, text, answer string
	refused            bool
}

func (a *App) played() *played {
	p := &played{}
	if a.at() > 0 {
		p.state = a.steps[a.at()-1].State
	}
	for _, s := range a.steps[min(a.stage, a.at()):a.at()] {
		st := s.Line.Statement
		p.own = append(p.own, ownStep{st.Verb, st.Call(), s.Answer.String(), s.Refusal != nil})
	}
	return p
}

// learned notes that the lesson is solved.
func (a *App) learned() {
	l := lesson(a.State.Lesson)
	if l == nil || slices.Contains(a.State.Done, l.ID) {
		return
	}
	p := a.played()
	for _, g := range l.Goals {
		if !g.met(p) {
			return
		}
	}
	a.State.Done = append(a.State.Done, l.ID)
}

func entriesOf(list []picture.Entry) []trace.Entry {
	out := []trace.Entry{}
	for _, e := range list {
		out = append(out, trace.Entry{Prog: e.Prog, Link: e.Link})
	}
	return out
}
