package page

import (
	"embed"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/nkconform/nkconform/trace"
)

//go:embed lessons
var lessonFiles embed.FS

// Lesson teaches one thing, and ends with a task. It is a trace, which any kernel can
// play: the stage, with captions, then the task and what shows that it is done, as
// comments, then a solution.
type Lesson struct {
	ID, Title string
	Text      []string // paragraphs
	Stage     []Line
	Task      string
	Goals     []Goal
	Solution  []string
	Families  bool // the table of families belongs to it
}

// Line is a statement of a stage, and what is said of it.
type Line struct{ Caption, Text string }

// Lessons are all of them, in their order.
var Lessons = func() (list []Lesson) {
	files, err := lessonFiles.ReadDir("lessons")
	if err != nil {
		panic(err) // the embedded path is a constant
	}
	for _, f := range files {
		text, err := lessonFiles.ReadFile("lessons/" + f.Name())
		if err != nil {
			panic(err)
		}
		l, err := parseLesson(strings.TrimSuffix(f.Name(), path.Ext(f.Name())), string(text))
		if err != nil {
			panic(err) // TestLessons reads them all
		}
		list = append(list, l)
	}
	return list
}()

// lesson finds a lesson by its id, nil for none.
func lesson(id string) *Lesson {
	for i := range Lessons {
		if Lessons[i].ID == id {
			return &Lessons[i]
		}
	}
	return nil
}

// parseLesson reads a lesson.
func parseLesson(id, text string) (l Lesson, err error) {
	_, l.ID, _ = strings.Cut(id, "-")
	paragraph, caption := "", ""
	end := func() {
		if paragraph != "" {
			l.Text, paragraph = append(l.Text, paragraph), ""
		}
	}
	solving := false
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		comment, isComment := strings.CutPrefix(line, "#")
		comment = strings.TrimSpace(comment)
		switch {
		case solving:
			l.Solution = append(l.Solution, call(line))
		case !isComment:
			end()
			l.Stage, caption = append(l.Stage, Line{caption, call(line)}), ""
		case l.Title == "":
			l.Title = comment
		case comment == "":
			end()
		case comment == "solution":
			solving = true
		case comment == "families":
			l.Families = true
		case strings.HasPrefix(comment, "task: "):
			l.Task = strings.TrimPrefix(comment, "task: ")
		case strings.HasPrefix(comment, "goal: "):
			g, err := parseGoal(strings.TrimPrefix(comment, "goal: "))
			if err != nil {
				return l, fmt.Errorf("%s: %w", id, err)
			}
			l.Goals = append(l.Goals, g)
		case len(l.Stage) > 0 || caption != "" || paragraph == "" && l.isCaption(text, line):
			caption = strings.TrimSpace(caption + " " + comment)
		default:
			paragraph = strings.TrimSpace(paragraph + " " + comment)
		}
	}
	return l, nil
}

// isCaption says whether a comment is right in front of a statement.
func (l *Lesson) isCaption(text, line string) bool {
	lines := strings.Split(text, "\n")
	i := slices.Index(lines, line)
	return i >= 0 && i+1 < len(lines) && !strings.HasPrefix(lines[i+1], "#")
}

// call is a statement without the answer that it expects.
func call(line string) string {
	for _, mark := range []string{" = ", " ! "} {
		line, _, _ = strings.Cut(line, mark)
	}
	return strings.TrimSpace(line)
}

// Goal is something that shows that a task is done.
type Goal struct {
	Text  string // for people
	kind  string // hook, came, said, refused, pin, held
	words []string
}

func parseGoal(text string) (g Goal, err error) {
	what, said, ok := strings.Cut(text, " | ")
	words := strings.Fields(what)
	if !ok || len(words) < 2 || !slices.Contains([]string{"hook", "came", "said", "refused", "pin", "held"}, words[0]) {
		return g, fmt.Errorf("goal %q: expected hook, came, said, refused, pin or held, and words for people behind |", text)
	}
	return Goal{said, words[0], words[1:]}, nil
}

// met reports whether the goal is reached, by what the learner's statements did.
func (g Goal) met(p *played) bool {
	switch g.kind {
	case "hook":
		h := p.state.Hook(g.words[0])
		return h != nil && listMatches(strings.Join(g.words[1:], " "), entriesOf(h.Entries))
	case "came":
		return slices.ContainsFunc(p.own, func(s ownStep) bool {
			return s.verb == g.words[0] && answerMatches(strings.Join(g.words[1:], " "), s.answer)
		})
	case "said", "refused":
		return slices.ContainsFunc(p.own, func(s ownStep) bool {
			return s.refused == (g.kind == "refused") && slices.Contains(strings.Fields(s.text), g.words[0])
		})
	case "pin":
		for _, l := range p.state.Links {
			if slices.Contains(l.Pins, g.words[0]) && l.Hook == g.words[1] {
				return true
			}
		}
	case "held":
		for _, l := range p.state.Links {
			if l.Hook != "" && len(l.Held) == 0 && len(l.Pins) > 0 {
				return true
			}
		}
	}
	return false
}

// answerMatches compares an answer with what a goal expects, in whose list a link may
// be *.
func answerMatches(want, got string) bool {
	wantHead, wantList, wantListed := strings.Cut(want, "[")
	gotHead, gotList, gotListed := strings.Cut(got, "[")
	if wantListed != gotListed || strings.Join(strings.Fields(wantHead), " ") != strings.Join(strings.Fields(gotHead), " ") {
		return false
	}
	return listMatches("["+wantList, parseList("["+gotList))
}

// listMatches compares a list with what a goal expects of it.
func listMatches(want string, got []trace.Entry) bool {
	list, got := parseList(want), trace.ExpandList(got)
	if len(list) != len(got) {
		return false
	}
	for i, e := range list {
		if e.Prog != got[i].Prog || e.Link != got[i].Link && (e.Link != "*" || got[i].Link == "") {
			return false
		}
	}
	return true
}

func parseList(text string) (list []trace.Entry) {
	for _, w := range strings.Fields(strings.Trim(text, "[]")) {
		prog, link, _ := strings.Cut(w, "@")
		list = append(list, trace.Entry{Prog: prog, Link: link})
	}
	return trace.ExpandList(list)
}
