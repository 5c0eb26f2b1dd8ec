// Command pack builds the page's kernel into internal/page/html/kernel, where programs
// that are built with the tag page take it from.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/nkconform/nkconform/internal/page/html"
)

func run() error {
	k, err := html.Build("")
	if err != nil {
		return err
	}
	dir := filepath.Join("internal", "page", "html", "kernel")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "kernel.wasm.gz"), k.Wasm, 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "wasm_exec.js"), k.Exec, 0o644)
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "pack:", err)
		os.Exit(1)
	}
}
