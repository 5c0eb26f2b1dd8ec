package browser

import (
	"context"
	"os"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/nkconform/nkconform/conformance"
	"github.com/nkconform/nkconform/conformance/lockstep"
	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/internal/page"
	"github.com/nkconform/nkconform/internal/picture"
	"github.com/nkconform/nkconform/mprog"
	"github.com/nkconform/nkconform/trace"
)

// Every lesson is solved by typing its solution, and the page says so.
func TestLessons(t *testing.T) {
	b := open(t, 1280, 900, "")
	for _, l := range page.Lessons {
		b.run(chromedp.Click(chromedp.CSS(`[data-lesson="` + l.ID + `"]`)))
		if got := b.text("#lesson h2"); got != l.Title {
			t.Fatalf("%s: the page shows %q", l.ID, got)
		}
		for _, line := range l.Solution {
			if done := eval[bool](b, `!!document.querySelector(".task.done")`); done {
				t.Errorf("%s is done before %q", l.ID, line)
			}
			b.run(chromedp.SendKeys(chromedp.CSS("#say"), line), chromedp.KeyEvent(kb.Escape), chromedp.KeyEvent(kb.Enter))
			if got := b.text(".saidline"); got != line {
				t.Errorf("%s: said %q, the page shows %q and %q", l.ID, line, got, b.text("#wrong"))
			}
		}
		if done := eval[bool](b, `!!document.querySelector(".task.done")`); !done {
			t.Errorf("%s is not done: %s", l.ID, b.text(".goals"))
		}
	}
	if solved := eval[int](b, `document.querySelectorAll("#lessons .done").length`); solved != len(page.Lessons) {
		t.Errorf("%d lessons are said to be solved", solved)
	}
	b.quiet()
}

// quiet fails if the page complained, or loaded anything but itself.
func (b *tab) quiet() {
	b.t.Helper()
	if len(b.errors) > 0 {
		b.t.Errorf("the page said %q", b.errors)
	}
	for _, url := range b.requests {
		if !strings.HasPrefix(url, "file://") && !strings.HasPrefix(url, "data:") && !strings.HasPrefix(url, "blob:") {
			b.t.Errorf("the page loaded %s", url)
		}
	}
}

// randomTrace makes up traces, every third about hooks of cgroups, with the fake's own
// answers.
func randomTrace(t *testing.T, tester *lockstep.Tester, n uint64) *trace.File {
	t.Helper()
	var text string
	if n%3 != 2 {
		if _, err := tester.Random(11, n, 40); err != nil {
			t.Fatal(err)
		}
		var err error
		if text, err = tester.Record(tester.Last(), "# Anything."); err != nil {
			t.Fatal(err)
		}
	} else {
		text = sayable(lockstep.CgroupTrace(11, n, 40))
	}
	f, err := trace.Parse("random", text)
	if err == nil && n%3 == 2 {
		f, err = conformance.Record(fake.New(), f)
	}
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// sayable leaves out what names a link that was never made, as nobody can say that.
func sayable(text string) string {
	s, said := picture.New(), ""
	for line := range strings.Lines(text) {
		if _, err := s.Do(strings.TrimSpace(line)); err == nil {
			said += line
		}
	}
	return said
}

// What the page answers is what the fake answers, by itself, on random statements.
func TestRandomStatements(t *testing.T) {
	same := lockstep.Backend{Name: "fake", New: func() (mprog.Environment, error) { return fake.New(), nil }}
	tester, err := lockstep.New(same, same)
	if err != nil {
		t.Fatal(err)
	}
	defer tester.Close()
	tester.Fresh = true
	b := open(t, 1280, 900, "")
	b.run(chromedp.Click(chromedp.CSS("#tab-trace")))
	said, refused, cgroups := 0, 0, 0
	for n := uint64(0); said < 1000; n++ {
		f := randomTrace(t, tester, n)
		b.run(chromedp.Click(chromedp.CSS(`[data-lesson=""]`)))
		for _, s := range f.Statements() {
			if s.Verb == "need" {
				continue
			}
			b.say(s.Call())
			said++
			if n%3 == 2 {
				cgroups++
			}
			if len(s.Answer.Outcomes) > 0 && s.Answer.Outcomes[0].Errno != 0 {
				refused++
			}
			got := b.text("#code") // the trace's line, which has the answer
			if want := strings.Join(strings.Fields(s.String()), " "); want != strings.Join(strings.Fields(got), " ") {
				t.Fatalf("the page answers %q, the fake %q; %s\n%s", got, want, b.text("#wrong"), f)
			}
		}
	}
	t.Logf("%d statements, %d of them refused, %d about cgroups", said, refused, cgroups)
	b.quiet()
}

// A wrong statement: its place is marked, what was expected is said, and nothing is lost.
func TestMistake(t *testing.T) {
	b := open(t, 820, 900, "")
	before := b.text("#steps")
	b.say("attach nk0:primary a\nattach nk0:primary zz flags=before\nsend nk0")
	for selector, want := range map[string]string{
		"#wrong pre": "attach nk0:primary zz flags=before", "#wrong mark": "zz",
		"#wrong p": `no program or link is called "zz": expected one of a`, ".saidline": "attach nk0:primary a",
	} {
		if got := b.text(selector); got != want {
			t.Errorf("%s is %q, not %q", selector, got, want)
		}
	}
	if got := eval[string](b, `document.getElementById("say").value`); got != "attach nk0:primary zz flags=before\nsend nk0" {
		t.Errorf("what was typed is %q now", got)
	}
	if got := eval[string](b, `(() => { const s = document.getElementById("say"); return s.value.slice(s.selectionStart, s.selectionEnd) })()`); got != "zz" {
		t.Errorf("%q is selected", got)
	}
	if after := b.text("#steps"); !strings.HasPrefix(after, before) || after == before {
		t.Errorf("the statements are %q, and were %q", after, before)
	}
	// Once it is right, all goes on.
	b.say("prog zz return=2\nattach nk0:primary zz flags=before\nsend nk0")
	if got := b.text("#wrong") + b.text(".saidline"); got != "send nk0" {
		t.Errorf("the page shows %q", got)
	}
	b.quiet()
}

// The first lesson is solved by keyboard alone.
func TestKeyboard(t *testing.T) {
	b := open(t, 1280, 900, "")
	// press goes on with TAB to what has a key, and presses it.
	press := func(key string) {
		t.Helper()
		for range 120 {
			if eval[string](b, `document.activeElement?.dataset?.key ?? ""`) == key {
				b.run(chromedp.KeyEvent(kb.Enter))
				return
			}
			b.run(chromedp.KeyEvent(kb.Tab))
		}
		t.Fatalf("TAB does not lead to %s", key)
	}
	press("pa")
	if got := b.text("#carry b"); got != "a" {
		t.Fatalf("%q is taken up", got)
	}
	if at := eval[string](b, `document.activeElement.dataset.key`); at != "gnk0:primary0" {
		t.Errorf("the focus is at %q", at)
	}
	b.run(chromedp.KeyEvent(kb.Escape)) // and lets go
	if at := eval[string](b, `document.activeElement.dataset.key`); at != "pa" || eval[bool](b, `!document.getElementById("carry").hidden`) {
		t.Errorf("after Escape the focus is at %q", at)
	}
	press("pa")
	press("gnk0:primary0")
	press("sendnk0")
	if done := eval[bool](b, `!!document.querySelector(".task.done")`); !done {
		t.Errorf("the first lesson is not done: %s", b.text(".goals"))
	}
	b.run(chromedp.KeyEvent(kb.ArrowLeft))
	if got := b.text(".saidline"); got != "attach nk0:primary a" {
		t.Errorf("a step back is %q", got)
	}
	b.run(chromedp.KeyEvent(kb.ArrowRight))
	press("next")
	if got := b.text("#lesson h2"); got != page.Lessons[1].Title {
		t.Errorf("the next lesson is %q", got)
	}
	// A word is completed, and taken with TAB.
	b.run(chromedp.Click(chromedp.CSS("#say")), chromedp.SendKeys(chromedp.CSS("#say"), "att"), chromedp.KeyEvent(kb.Tab), chromedp.SendKeys(chromedp.CSS("#say"), "nk0:pr"), chromedp.KeyEvent(kb.Tab))
	if got := eval[string](b, `document.getElementById("say").value`); got != "attach nk0:primary " {
		t.Errorf("completed to %q", got)
	}
	b.quiet()
}

// A program is dragged into a list with the mouse.
func TestDrag(t *testing.T) {
	b := open(t, 1280, 900, "")
	b.run(chromedp.DragAndDrop(chromedp.CSS(`[data-key="pa"]`), chromedp.CSS(`[data-key="gnk0:primary0"]`)))
	if got := b.text(".saidline"); got != "attach nk0:primary a" {
		t.Errorf("the page shows %q", got)
	}
	for tab, want := range map[string]string{"raw": "BPF_PROG_ATTACH", "libbpf": "bpf_prog_attach_opts(a_fd,", "go": "link.RawAttachProgram(", "trace": "= revision 2 [a]"} {
		b.run(chromedp.Click(chromedp.CSS("#tab-" + tab)))
		if got := b.text("#code"); !strings.Contains(got, want) {
			t.Errorf("%s is %q", tab, got)
		}
	}
	b.quiet()
}

// layout is what is wrong with the page as it is drawn: what is wider than the window,
// buttons whose words are cut off, and words that are hard to tell from what is behind
// them (a contrast below 4.5, of WCAG 2's level AA).
const layout = `(() => {
	const wrong = [], over = document.documentElement.scrollWidth - innerWidth;
	if (over > 0) wrong.push("the page is " + over + " pixels too wide");
	const rgb = c => c.match(/[\d.]+/g).map(Number);
	const light = c => rgb(c).slice(0, 3).map(v => v / 255).map(v => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4).reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
	const behind = e => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor; if ((rgb(c)[3] ?? 1) > .99) return c; } return "rgb(255, 255, 255)"; };
	const faded = e => { for (; e; e = e.parentElement) if (getComputedStyle(e).opacity < 1) return true; return false; };
	for (const e of document.querySelectorAll("body *")) {
		if (!e.checkVisibility() || e.closest(".hide,[hidden],script,style,option")) continue;
		if (e.matches("button") && e.scrollWidth > e.clientWidth + 1) wrong.push("cut off: " + e.textContent);
		if (![...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim()) || faded(e)) continue;
		const a = light(getComputedStyle(e).color), b = light(behind(e)), contrast = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
		if (contrast < 4.5) wrong.push("contrast " + contrast.toFixed(1) + ": " + e.tagName + "." + e.className + " " + e.textContent.slice(0, 40));
	}
	return [...new Set(wrong)];
})()`

// The page fits windows of every width and can be read, in both schemes; what moves
// stands still for whoever wishes so.
func TestLayout(t *testing.T) {
	states := []page.State{
		{Lesson: "full", Said: []string{"link l nk0:peer a", "pin /sys/fs/bpf/a_long_name_of_a_pin l", "attach nk0:primary a flags=before"}},
		{Lesson: "cgroup", Said: []string{"prog r type=cgroup_skb return=0", "link l c:cgroup_inet_ingress r flags=preorder", "attach g:cgroup_inet_ingress p flags=multi+preorder", "datagram q"}},
		{Lesson: "two-owners", Said: []string{"detach nk0:primary a", "attach nk0:primary b flags=before", "send nk0"}},
	}
	for _, width := range []int{390, 820, 1280} {
		for _, scheme := range []string{"light", "dark"} {
			b := open(t, width, 900, "#"+states[0].String(), media("prefers-color-scheme", scheme))
			for _, s := range states {
				eval[any](b, `(location.hash = "`+s.String()+`", null)`)
				b.run(chromedp.WaitVisible(chromedp.CSS(`[data-lesson="` + s.Lesson + `"][aria-current]`)))
				eval[any](b, `(() => { for (const a of document.getAnimations()) a.finish(); for (const d of document.querySelectorAll("details")) d.open = d.id !== "features"; return null })()`)
				for _, wrong := range eval[[]string](b, layout) {
					t.Errorf("%s at %d, %s: %s", s.Lesson, width, scheme, wrong)
				}
			}
			b.say("attach nk0:primary zz")
			for _, wrong := range eval[[]string](b, layout) {
				t.Errorf("a mistake at %d, %s: %s", width, scheme, wrong)
			}
			b.quiet()
		}
	}
	for motion, want := range map[string]bool{"no-preference": true, "reduce": false} {
		b := open(t, 820, 900, "", media("prefers-reduced-motion", motion))
		b.say("attach nk0:primary a")
		if moves := eval[bool](b, `document.getAnimations().length > 0`); moves != want {
			t.Errorf("with %s something moves: %v", motion, moves)
		}
	}
	b := open(t, 820, 900, "")
	b.say("attach nk0:primary a")
	call(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Media: "print"})
	if shown := eval[bool](b, `["nav", "#talk", ".tabs"].some(q => getComputedStyle(document.querySelector(q)).display !== "none")`); shown {
		t.Error("what can only be pressed is printed")
	}
}

// A link leads to the state that it was made of.
func TestLink(t *testing.T) {
	b := open(t, 820, 900, "")
	b.say("attach nk0:primary a\nsend nk0")
	b.run(chromedp.Click(chromedp.CSS("#back")))
	link, shown := eval[string](b, `location.hash`), b.text("#main")
	other := open(t, 820, 900, link)
	if got := other.text("#main"); got != shown {
		t.Errorf("the link leads to %q, and was made at %q", got, shown)
	}
	other.quiet()
}

// What the page weighs, and how long it takes to the first answer, which is only told.
func TestSize(t *testing.T) {
	b := open(t, 1280, 900, "")
	file, err := pageFile()
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	if info.Size() > 6e6 {
		t.Errorf("the page has %d bytes", info.Size())
	}
	if !eval[bool](b, `document.getElementById("first").textContent === nk.open("")`) {
		t.Error("what is drawn before the kernel is there is not what the kernel says then")
	}
	ready := eval[string](b, `document.documentElement.dataset.ready`)
	t.Logf("%.2f MB, ready after %s ms", float64(info.Size())/1e6, ready)
}

// media has the browser say what its user wishes.
func media(name, value string) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: name, Value: value}}})
		return err
	})
}
