package browser

import (
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
)

// point is a place in the window, in pixels.
type point struct{ X, Y float64 }

// center is where an element with a key is, brought into sight.
func (b *tab) center(key string) point {
	b.t.Helper()
	return eval[point](b, `(() => { const r = document.querySelector('[data-key="`+key+`"]').getBoundingClientRect(); return {X: r.x + r.width / 2, Y: r.y + r.height / 2} })()`)
}

// finger touches, moves or lets go.
func (b *tab) finger(what input.DispatchTouchEventType, at ...point) {
	b.t.Helper()
	points := []*input.TouchPoint{}
	for _, p := range at {
		points = append(points, &input.TouchPoint{X: p.X, Y: p.Y})
	}
	call(b, input.DispatchTouchEvent, input.DispatchTouchEventParams{Type: what, TouchPoints: points})
}

// A finger that rests on a program takes it up and drags it; one that moves at once does
// not.
func TestTouch(t *testing.T) {
	b := open(t, 390, 844, "")
	call(b, emulation.SetTouchEmulationEnabled, emulation.SetTouchEmulationEnabledParams{Enabled: true})
	into := func() {
		eval[any](b, `(document.querySelector('[data-key="pa"]').scrollIntoView({block: "center"}), null)`)
	}
	carries := func() bool { return eval[bool](b, `!document.getElementById("carry").hidden`) }

	into()
	b.finger(input.DispatchTouchEventTypeTouchStart, b.center("pa"))
	b.run(chromedp.WaitVisible(chromedp.CSS(".lifted")))
	// At the window's edge the page scrolls, until the place is there.
	if to := b.center("gnk0:primary0"); to.Y < 844 {
		t.Errorf("the place is in sight already, at %v", to)
	}
	b.finger(input.DispatchTouchEventTypeTouchMove, point{60, 835})
	if _, err := chromedp.Run(b.ctx, chromedp.Poll[bool](`document.querySelector('[data-key="gnk0:primary0"]').getBoundingClientRect().bottom < 700`)); err != nil {
		t.Fatal(err)
	}
	b.finger(input.DispatchTouchEventTypeTouchMove, point{60, 400}) // and stands
	to := b.center("gnk0:primary0")
	b.finger(input.DispatchTouchEventTypeTouchMove, to)
	if over := eval[string](b, `document.querySelector(".over")?.dataset.key ?? ""`); over != "gnk0:primary0" {
		t.Errorf("what is below the finger and lights up is %q", over)
	}
	b.finger(input.DispatchTouchEventTypeTouchEnd)
	if got := b.text(".saidline"); got != "attach nk0:primary a" {
		t.Errorf("the page shows %q", got)
	}
	if carries() || eval[bool](b, `!!document.querySelector(".lifted")`) {
		t.Error("something is still taken up")
	}

	// Beside every place it is let go of.
	into()
	b.finger(input.DispatchTouchEventTypeTouchStart, b.center("pa"))
	b.run(chromedp.WaitVisible(chromedp.CSS(".lifted")))
	b.finger(input.DispatchTouchEventTypeTouchMove, point{5, 400})
	b.finger(input.DispatchTouchEventTypeTouchEnd)
	if carries() || b.text(".saidline") != "attach nk0:primary a" {
		t.Errorf("what was dropped nowhere is taken up, or said %q", b.text(".saidline"))
	}

	// One that moves at once scrolls. It comes last, since the page may scroll on.
	into()
	at := b.center("pa")
	b.finger(input.DispatchTouchEventTypeTouchStart, at)
	b.finger(input.DispatchTouchEventTypeTouchMove, point{at.X, at.Y - 60})
	b.finger(input.DispatchTouchEventTypeTouchEnd)
	if carries() || b.text(".saidline") != "attach nk0:primary a" {
		t.Errorf("a finger that moved at once has taken a up, or said %q", b.text(".saidline"))
	}
	b.quiet()
}
