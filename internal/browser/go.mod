module github.com/nkconform/nkconform/internal/browser

go 1.25.0

require (
	github.com/chromedp/cdproto v0.159.0
	github.com/chromedp/chromedp v0.23.0
	github.com/nkconform/nkconform v0.0.0-00010101000000-000000000000
)

require github.com/go-json-experiment/json v0.0.0-20260213210345-44df1a37e875 // indirect

// A module of tools, which nobody imports.
replace github.com/nkconform/nkconform => ../..
