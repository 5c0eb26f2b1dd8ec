package image

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
)

// BuildUML builds a User-Mode Linux from a source tree, or for debian:VERSION
// from the newest such source that Debian has, and returns the reference of
// the kernel in the cache. It takes minutes, and a compiler, make, flex, bison
// and bc. The source tree must be clean, and stays so.
func BuildUML(ctx context.Context, source string, opts Options) (ref string, err error) {
	ref, err = buildUML(ctx, source, opts)
	if err != nil {
		return "", fmt.Errorf("build uml from %s: %w", source, err)
	}
	return ref, nil
}

// BuildTools are the programs that [BuildUML] takes.
var BuildTools = []string{"gcc", "make", "flex", "bison", "bc", "tar", "xz"}

func buildUML(ctx context.Context, source string, opts Options) (string, error) {
	version, fetched := strings.CutPrefix(source, "debian:")
	if !fetched {
		if _, err := os.Stat(filepath.Join(source, "arch/um")); err != nil {
			return "", fmt.Errorf("this is no kernel source tree: %w", err)
		}
	}
	for _, tool := range BuildTools {
		if _, err := exec.LookPath(tool); err != nil {
			return "", lack(tool + " is missing: install the packages gcc make flex bison bc libc6-dev xz-utils")
		}
	}
	cache, err := CacheDir()
	if err != nil {
		return "", err
	}
	parent := filepath.Join(cache, "uml")
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return "", err
	}
	work, remove, err := makeScratch(ctx, cache, parent)
	if err != nil {
		return "", err
	}
	defer remove()
	tree := source
	if fetched {
		if tree, err = debianSource(ctx, cache, version, work, opts); err != nil {
			return "", err
		}
	}
	if tree, err = filepath.Abs(tree); err != nil {
		return "", err
	}
	b := builder{tree, filepath.Join(work, "out"), opts}
	release, err := b.build(ctx)
	if err != nil {
		return "", err
	}
	dest := filepath.Join(parent, release, "linux")
	err = place(dest, func(tmp string) error { return os.Rename(filepath.Join(b.out, "linux"), tmp) })
	return "uml:" + dest, err
}

// UnpackSource unpacks the newest kernel source of a version that Debian has in a
// folder, which must exist, and returns the source tree.
func UnpackSource(ctx context.Context, version, dir string, opts Options) (tree string, err error) {
	cache, err := CacheDir()
	if err == nil {
		_, err = os.Stat(dir) // rather now than after a long download
	}
	if err == nil {
		tree, err = debianSource(ctx, cache, version, dir, opts)
	}
	if err != nil {
		return "", fmt.Errorf("kernel source %s: %w", version, err)
	}
	return tree, nil
}

// debianSource unpacks the newest source package that matches below dir.
func debianSource(ctx context.Context, cache, want, dir string, opts Options) (tree string, err error) {
	deb, err := fetchSource(ctx, cache, want, opts)
	if err != nil {
		return "", err
	}
	defer func() {
		if ctx.Err() == nil { // else it is wanted again
			os.Remove(deb)
		}
	}()
	opts.progress("unpacking " + filepath.Base(deb))
	if err := (builder{opts: opts}).run(ctx, dir, "dpkg-deb", "--extract", deb, dir); err != nil {
		return "", err
	}
	archives, err := filepath.Glob(filepath.Join(dir, "usr/src/linux-source-*.tar.xz"))
	if err != nil || len(archives) != 1 {
		return "", fmt.Errorf("the package holds %d source archives, expected one", len(archives))
	}
	if err := (builder{opts: opts}).run(ctx, dir, "tar", "-xf", archives[0], "-C", dir); err != nil {
		return "", err
	}
	return filepath.Join(dir, strings.TrimSuffix(filepath.Base(archives[0]), ".tar.xz")), nil
}

// fetchSource downloads the newest package linux-source-WANT.
func fetchSource(ctx context.Context, cache, want string, opts Options) (deb string, err error) {
	unlock, err := lockApt(ctx, cache, opts)
	if err != nil {
		return "", err
	}
	defer unlock()
	a, err := openApt(cache, opts)
	if err != nil {
		return "", err
	}
	life := listLife
	if opts.Refresh {
		life = 0
	}
	if err := a.renew(ctx, life); err != nil {
		return "", err
	}
	pkgs, err := a.packages(ctx, "linux-source-")
	if err != nil {
		return "", err
	}
	var best pkg
	for _, p := range pkgs {
		of, ok := strings.CutPrefix(p.name, "linux-source-")
		if ok && of != "" && isDigit(of[0]) && (matches(of, want) || matches(p.version, want)) && compareVersions(p.version, best.version) > 0 {
			best = p
		}
	}
	if best.name == "" {
		return "", a.told(fmt.Errorf("debian has no kernel source %s", want))
	}
	return a.download(ctx, best.name, "="+best.version)
}

// builder builds one kernel out of its tree.
type builder struct {
	tree, out string
	opts      Options
}

func (b builder) build(ctx context.Context) (release string, err error) {
	if err := os.MkdirAll(b.out, 0o755); err != nil {
		return "", err
	}
	fragment := filepath.Join(b.out, "wanted.config")
	if err := os.WriteFile(fragment, []byte(umlConfig()), 0o644); err != nil {
		return "", err
	}
	b.opts.progress("configuring " + b.tree)
	if err := b.make(ctx, "KCONFIG_ALLCONFIG="+fragment, "allnoconfig"); err != nil {
		return "", err
	}
	config, err := os.ReadFile(filepath.Join(b.out, ".config"))
	if err != nil {
		return "", err
	}
	if missing := missingOptions(string(config)); missing != nil {
		return "", fmt.Errorf("this kernel has no %s: netkit came with 6.7", strings.Join(missing, ", "))
	}
	stop := b.opts.seconds("compiling, which takes minutes")
	err = b.make(ctx, fmt.Sprintf("-j%d", runtime.NumCPU()), "linux")
	stop()
	if err != nil {
		return "", err
	}
	text, err := os.ReadFile(filepath.Join(b.out, "include/config/kernel.release"))
	return strings.TrimSpace(string(text)), err
}

func (b builder) make(ctx context.Context, args ...string) error {
	return b.run(ctx, b.tree, "make", append([]string{"-C", b.tree, "O=" + b.out, "ARCH=um"}, args...)...)
}

// run runs a tool, all of which ends with the context.
func (builder) run(ctx context.Context, dir, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	err := runGroup(cmd, syscall.SIGKILL)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		return fmt.Errorf("%s: %w: %s", name, err, lastLines(said.String(), 12))
	}
	return nil
}

func lastLines(s string, n int) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
