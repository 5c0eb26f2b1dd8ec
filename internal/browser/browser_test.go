// Package browser drives the page in Chromium. It is a module of its own, so that what
// it needs is nobody else's.
package browser

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// pageFile makes the page, once for all tests.
var pageFile = sync.OnceValues(func() (string, error) {
	if file := os.Getenv("NKCONFORM_PAGE"); file != "" {
		return filepath.Abs(file)
	}
	dir, err := os.MkdirTemp("", "nkconform-browser-")
	if err != nil {
		return "", err
	}
	temporary = dir
	file := filepath.Join(dir, "page.html")
	c := exec.Command("go", "run", "./cmd/nkconform", "explain", "--html", file)
	c.Dir = "../.."
	if out, err := c.CombinedOutput(); err != nil {
		return "", errors.Join(err, errors.New(string(out)))
	}
	return file, nil
})

var temporary string

func TestMain(m *testing.M) {
	status := m.Run()
	if temporary != "" {
		os.RemoveAll(temporary)
	}
	os.Exit(status)
}

// chromium finds the browser, or skips the test.
func chromium(t *testing.T) string {
	for _, name := range []string{os.Getenv("CHROMIUM"), "chromium", "chromium-browser", "google-chrome"} {
		if file, err := exec.LookPath(name); name != "" && err == nil {
			return file
		}
	}
	t.Skip("no Chromium: install Debian's package chromium, or name one in CHROMIUM")
	return ""
}

// tab is a page in a browser of its own.
type tab struct {
	t        *testing.T
	ctx      context.Context
	requests []string // what was loaded
	errors   []string // what the page complained of
}

// open opens the page, at a link's state, in a window of that width.
func open(t *testing.T, width, height int, link string, actions ...chromedp.Action[chromedp.Void]) *tab {
	t.Helper()
	browser := chromium(t)
	file, err := pageFile()
	if err != nil {
		t.Fatal(err)
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(browser), chromedp.WindowSize(width, height))
	limited, cancel := context.WithTimeout(context.Background(), 10*time.Minute) // whatever hangs ends
	t.Cleanup(cancel)
	ctx, cancel := chromedp.NewExecAllocator(limited, options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	b := &tab{t: t, ctx: ctx}
	err = chromedp.Listen(ctx, func(e any) {
		switch e := e.(type) {
		case *network.EventRequestWillBeSent:
			b.requests = append(b.requests, e.Request.URL)
		case *runtime.EventExceptionThrown:
			b.errors = append(b.errors, e.ExceptionDetails.Text)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	call(b, network.Enable, network.EnableParams{})
	b.run(chromedp.EmulateViewport(int64(width), int64(height)))
	b.run(actions...)
	b.run(chromedp.Navigate("file://"+file+link), chromedp.WaitReady(chromedp.CSS("html[data-ready]")))
	return b
}

// run performs actions, which must succeed.
func (b *tab) run(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, actions...); err != nil {
		b.t.Fatalf("%v (the page said %q)", err, b.errors)
	}
}

// call makes a call of the browser's protocol.
func call[P, R any](b *tab, command cdp.Command[P, R], params P) R {
	b.t.Helper()
	result, err := chromedp.Run(b.ctx, func(ctx context.Context, t *chromedp.Target) (R, error) { return cdp.Call(ctx, t, command, params) })
	if err != nil {
		b.t.Fatal(err)
	}
	return result
}

// eval returns what an expression of the page's script is.
func eval[T any](b *tab, expression string) (value T) {
	b.t.Helper()
	value, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](expression))
	if err != nil {
		b.t.Fatalf("%s: %v (the page said %q)", expression, err, b.errors)
	}
	return value
}

// say types lines and has them run.
func (b *tab) say(lines string) {
	b.t.Helper()
	text, err := json.Marshal(lines)
	if err != nil {
		b.t.Fatal(err)
	}
	eval[any](b, `(() => { const s = document.getElementById("say"); s.value = `+string(text)+`; document.getElementById("form").requestSubmit(); return null })()`)
}

// text is what an element shows.
func (b *tab) text(selector string) string {
	b.t.Helper()
	q, err := json.Marshal(selector)
	if err != nil {
		b.t.Fatal(err)
	}
	return eval[string](b, `[...document.querySelectorAll(`+string(q)+`)].map(e => e.textContent).join("\n")`)
}
