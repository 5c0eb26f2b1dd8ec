package html

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// module is this module's path, wasm the package below it that is the page's kernel.
const (
	module = "github.com/nkconform/nkconform"
	wasm   = "./internal/page/wasm"
)

// Build compiles the kernel with the Go that is there, from the sources that this
// program was built from: where they were, or of a version that was released, from Go's
// module cache. The error tells what is missing.
func Build(version string) (Kernel, error) {
	if _, err := exec.LookPath("go"); err != nil {
		return Kernel{}, fmt.Errorf("build the page's kernel: this program was built without it, and to build it takes Go (https://go.dev/dl): %w", err)
	}
	dir, err := sources(version)
	if err != nil {
		return Kernel{}, fmt.Errorf("build the page's kernel: %w", err)
	}
	tmp, err := os.MkdirTemp("", "nkconform-page-")
	if err != nil {
		return Kernel{}, fmt.Errorf("build the page's kernel: %w", err)
	}
	defer os.RemoveAll(tmp)
	out := filepath.Join(tmp, "kernel.wasm")
	if _, err := run(dir, "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", out, wasm); err != nil {
		return Kernel{}, fmt.Errorf("build the page's kernel: %w", err)
	}
	code, err := os.ReadFile(out)
	if err != nil {
		return Kernel{}, fmt.Errorf("build the page's kernel: %w", err)
	}
	packed, err := pack(code)
	if err != nil {
		return Kernel{}, fmt.Errorf("build the page's kernel: %w", err)
	}
	script, err := execScript(dir)
	return Kernel{packed, script}, err
}

// sources finds the folder with this program's sources.
func sources(version string) (string, error) {
	_, file, _, _ := runtime.Caller(0) // where it was compiled; with -trimpath no path
	dir := filepath.Dir(filepath.Dir(filepath.Dir(filepath.Dir(file))))
	if mod, err := os.ReadFile(filepath.Join(dir, "go.mod")); err == nil && filepath.IsAbs(file) && bytes.HasPrefix(mod, []byte("module "+module+"\n")) {
		return dir, nil
	}
	if !strings.HasPrefix(version, "v") {
		return "", fmt.Errorf("the sources of this program, version %s, are not where it was built: run nkconform explain --html in a clone, by go run ./cmd/nkconform", version)
	}
	out, err := run("", "mod", "download", "-json", module+"@"+version)
	if err != nil {
		return "", err
	}
	var found struct{ Dir string }
	if err := json.Unmarshal(out, &found); err != nil {
		return "", fmt.Errorf("go mod download: %w", err)
	}
	return found.Dir, nil
}

// execScript finds the script that starts Go's WebAssembly, which belongs to the
// release of Go.
func execScript(dir string) ([]byte, error) {
	root, err := run(dir, "env", "GOROOT")
	if err != nil {
		return nil, err
	}
	var errs []error
	for _, name := range []string{"lib/wasm/wasm_exec.js", "misc/wasm/wasm_exec.js"} { // since Go 1.24, and before
		text, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(root)), name))
		if err == nil {
			return text, nil
		}
		errs = append(errs, err)
	}
	return nil, fmt.Errorf("find wasm_exec.js: %w", errors.Join(errs...))
}

// run runs the command go in a folder, for WebAssembly.
func run(dir string, args ...string) ([]byte, error) {
	c := exec.Command("go", args...)
	c.Dir = dir
	c.Env = append(os.Environ(), "GOOS=js", "GOARCH=wasm", "GOFLAGS=", "GOWORK=off", "CGO_ENABLED=0")
	var said bytes.Buffer
	c.Stderr = &said
	out, err := c.Output()
	if err != nil {
		return nil, fmt.Errorf("go %s: %w\n%s", strings.Join(args, " "), err, bytes.TrimSpace(said.Bytes()))
	}
	return out, nil
}
