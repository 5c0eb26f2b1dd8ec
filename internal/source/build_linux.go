package source

import (
	"bytes"
	"context"
	"crypto/sha256"
	"debug/elf"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"unsafe"
)

// compilerFlags make code that needs nothing of its surroundings, at any address, and take
// from the compiler what the kernel takes from it.
var compilerFlags = []string{
	"-std=gnu11", "-w", "-fPIC", "-ffreestanding", "-fno-builtin", "-fno-stack-protector", "-fno-strict-aliasing",
	"-fwrapv", "-fno-delete-null-pointer-checks", "-fno-asynchronous-unwind-tables", "-fvisibility=hidden", "-fcf-protection=none",
	"-Wno-error=implicit-function-declaration", "-Wno-error=int-conversion", "-nostdinc",
	fmt.Sprintf("-DNK_CALL_SIZE=%d", unsafe.Sizeof(call{})), fmt.Sprintf("-DNK_ATTR_OFFSET=%d", unsafe.Offsetof(call{}.attr)),
}

// compiler finds the host's compiler for C.
func compiler() (path string, err error) {
	names := []string{"cc", "gcc", "clang"}
	if name := os.Getenv("CC"); name != "" {
		names = []string{name}
	}
	for _, name := range names {
		if path, err = exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("no compiler for C: install gcc or clang, or name one in CC: %w", err)
}

// build compiles a text, unless the cache has it compiled by the same compiler, and
// returns the file.
func build(ctx context.Context, cache, text, level string) (string, error) {
	if runtime.GOARCH != "amd64" {
		return "", fmt.Errorf("the kernel's code can be loaded on amd64 alone, and this is %s", runtime.GOARCH)
	}
	cc, err := compiler()
	if err != nil {
		return "", err
	}
	version, err := exec.CommandContext(ctx, cc, "--version").Output()
	if err != nil {
		return "", fmt.Errorf("%s --version: %w", cc, err)
	}
	sum := sha256.Sum256([]byte(cc + string(version) + level + strings.Join(compilerFlags, " ") + text))
	dest := filepath.Join(cache, "source", hex.EncodeToString(sum[:16])+".so")
	if _, err := os.Stat(dest); err == nil || !errors.Is(err, fs.ErrNotExist) {
		return dest, err
	}
	if err := os.MkdirAll(filepath.Dir(dest), 0o755); err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp(filepath.Dir(dest), ".new-*")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	if err := compile(ctx, cc, dir, text, level); err != nil {
		return "", err
	}
	return dest, os.Rename(filepath.Join(dir, "code.so"), dest)
}

// compile makes code.so in a folder. Functions that are called and not there become
// ones that say so.
func compile(ctx context.Context, cc, dir, text, level string) error {
	run := func(args ...string) error {
		cmd := exec.CommandContext(ctx, cc, args...)
		cmd.Dir = dir
		var said bytes.Buffer
		cmd.Stderr = &said
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("%s: %w: %s", filepath.Base(cc), err, firstLines(said.String(), 2000))
		}
		return nil
	}
	if err := os.WriteFile(filepath.Join(dir, "unit.c"), []byte(text), 0o644); err != nil {
		return err
	}
	if err := run(append([]string{"-c", level, "-o", "unit.o", "unit.c"}, compilerFlags...)...); err != nil {
		return err
	}
	absent, err := undefined(filepath.Join(dir, "unit.o"))
	if err != nil {
		return err
	}
	var stubs strings.Builder
	stubs.WriteString("long nk_uncovered(const char *name);\n")
	for _, name := range absent {
		fmt.Fprintf(&stubs, "long %s(void) { return nk_uncovered(%q); }\n", name, name)
	}
	if err := os.WriteFile(filepath.Join(dir, "stubs.c"), []byte(stubs.String()), 0o644); err != nil {
		return err
	}
	if err := run(append([]string{"-c", level, "-o", "stubs.o", "stubs.c"}, compilerFlags...)...); err != nil {
		return err
	}
	return run("-shared", "-nostdlib", "-Wl,-Bsymbolic", "-Wl,-z,noexecstack", "-o", "code.so", "unit.o", "stubs.o")
}

// undefined lists what an object file refers to and does not have.
func undefined(path string) (names []string, err error) {
	f, err := elf.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	symbols, err := f.Symbols()
	if err != nil {
		return nil, err
	}
	for _, s := range symbols {
		if s.Section == elf.SHN_UNDEF && s.Name != "" && s.Name != "_GLOBAL_OFFSET_TABLE_" {
			names = append(names, s.Name)
		}
	}
	return names, nil
}

func firstLines(s string, n int) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return strings.Join(lines[:min(len(lines), n)], "\n")
}
