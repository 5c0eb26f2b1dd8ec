//go:build js && wasm

// Command wasm is the page's kernel: package page, for the script of the page.
//
// It sets nk to an object of functions, which take text and return JSON:
// open(link), which comes first, and do(action) return a view, complete(line) words and
// where they begin.
package main

import (
	"encoding/json"
	"syscall/js"

	"github.com/nkconform/nkconform/internal/page"
)

func main() {
	var app *page.App // since open
	text := func(f func(string) any) js.Func {
		return js.FuncOf(func(_ js.Value, args []js.Value) any {
			out, err := json.Marshal(f(args[0].String()))
			if err != nil {
				panic(err) // views hold nothing that has no JSON
			}
			return string(out)
		})
	}
	nk := js.Global().Get("Object").New()
	nk.Set("open", text(func(link string) any {
		opened, err := page.Open(link)
		app = opened
		view := app.View()
		if err != nil {
			view.Note = err.Error()
		}
		return view
	}))
	nk.Set("do", text(func(action string) any {
		var act page.Action
		if err := json.Unmarshal([]byte(action), &act); err != nil {
			panic(err) // the script writes them
		}
		app.Do(act)
		return app.View()
	}))
	nk.Set("complete", text(func(line string) any {
		words, start := app.Complete(line)
		return map[string]any{"Words": words, "Start": start}
	}))
	js.Global().Set("nk", nk)
	select {} // the functions are called for as long as the page is open
}
