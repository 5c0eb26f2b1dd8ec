// Package html makes the page: one file of HTML with its kernel in it.
package html

import (
	"bytes"
	"compress/gzip"
	"embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"text/template"

	"github.com/nkconform/nkconform/internal/page"
)

//go:embed web
var web embed.FS

// Kernel is what the page runs: package page/wasm compiled to WebAssembly, packed with
// gzip, and the script of Go's that starts it, of the same release of Go.
type Kernel struct{ Wasm, Exec []byte }

// Page writes the page. The version is that of nkconform, for the reader.
func Page(k Kernel, version string) ([]byte, error) {
	t, err := template.ParseFS(web, "web/page.html")
	if err != nil {
		return nil, fmt.Errorf("make page: %w", err)
	}
	text := func(name string) string {
		b, err := web.ReadFile("web/" + name)
		if err != nil {
			panic(err) // the embedded paths are constants
		}
		return string(b)
	}
	first, err := page.Open("")
	if err != nil {
		return nil, fmt.Errorf("make page: %w", err)
	}
	drawn, err := json.Marshal(first.View()) // with < as \u003c
	if err != nil {
		return nil, fmt.Errorf("make page: %w", err)
	}
	var b bytes.Buffer
	err = t.Execute(&b, map[string]string{
		"First": string(drawn),
		"Style": text("style.css"), "Script": text("script.js"), "Version": strings.NewReplacer("<", "&lt;", "&", "&amp;").Replace(version),
		"Exec": string(k.Exec), "Kernel": base64.StdEncoding.EncodeToString(k.Wasm),
	})
	if err != nil {
		return nil, fmt.Errorf("make page: %w", err)
	}
	return b.Bytes(), nil
}

// pack packs bytes with gzip, always the same ones to the same.
func pack(data []byte) ([]byte, error) {
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err == nil {
		_, err = w.Write(data)
	}
	if err == nil {
		err = w.Close()
	}
	return b.Bytes(), err
}

// Embedded returns the kernel that this program carries, and whether it carries one:
// those that are released do.
func Embedded() (Kernel, bool) { return Kernel{embeddedWasm, embeddedExec}, embeddedWasm != nil }
