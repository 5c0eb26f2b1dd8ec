// Package kmod knows the modules of a kernel: which file a name or an alias
// means, and what has to be loaded before it. It reads a folder such as
// /lib/modules/RELEASE with the text files of depmod(8), or one without them, of
// which it reads the modules themselves.
package kmod

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// The text files of depmod(8), and the kernel's own list of what is built in.
const (
	depFile     = "modules.dep"
	aliasFile   = "modules.alias"
	builtinFile = "modules.builtin"
)

// Module is one module.
type Module struct {
	Name  string   // with underscores
	File  string   // below the folder; may be compressed
	Needs []string // names of what must be loaded before it, in that order
}

// alias is another name for a module: a pattern as the shell has them.
type alias struct{ pattern, module string }

// Index is what modules a folder has.
type Index struct {
	dir     string
	modules map[string]Module // by name
	aliases []alias
	builtin []string // names of what is part of the kernel
}

// ErrNone says that there is no module of a name.
var ErrNone = errors.New("the kernel has no such module")

// Open returns the modules in a folder. The error wraps fs.ErrNotExist if there
// is neither depmod's list nor a module.
func Open(dir string) (*Index, error) {
	x := &Index{dir: dir, modules: map[string]Module{}}
	if b, err := os.ReadFile(filepath.Join(dir, builtinFile)); err == nil {
		for line := range strings.Lines(string(b)) {
			x.builtin = append(x.builtin, nameOf(strings.TrimSpace(line)))
		}
	}
	deps, err := os.ReadFile(filepath.Join(dir, depFile))
	if errors.Is(err, fs.ErrNotExist) {
		return x, x.scan()
	}
	if err != nil {
		return nil, fmt.Errorf("read modules: %w", err)
	}
	x.readDeps(string(deps))
	aliases, err := os.ReadFile(filepath.Join(dir, aliasFile))
	if err != nil {
		return nil, fmt.Errorf("read modules: %w", err)
	}
	for lines := bufio.NewScanner(bytes.NewReader(aliases)); lines.Scan(); {
		if f := strings.Fields(lines.Text()); len(f) == 3 && f[0] == "alias" {
			x.aliases = append(x.aliases, alias{f[1], plain(f[2])})
		}
	}
	return x, nil
}

// readDeps reads lines like "kernel/a.ko: kernel/b.ko kernel/c.ko": a needs b,
// and both need c. depmod names all that is needed, the last one first.
func (x *Index) readDeps(text string) {
	for line := range strings.Lines(text) {
		file, needs, ok := strings.Cut(strings.TrimSpace(line), ":")
		if !ok {
			continue
		}
		m := Module{Name: nameOf(file), File: file}
		for _, need := range slices.Backward(strings.Fields(needs)) {
			m.Needs = append(m.Needs, nameOf(need))
		}
		x.modules[m.Name] = m
	}
}

// nameOf is the name of the module in a file.
func nameOf(file string) string {
	name, _, _ := strings.Cut(path.Base(file), ".ko")
	return plain(name)
}

// plain is how a name is compared: kernels write a hyphen for an underscore.
func plain(name string) string { return strings.ReplaceAll(name, "-", "_") }

// Find returns the names of the modules that a name or an alias means: the module
// of that name, or all with such an alias.
func (x *Index) Find(name string) []string {
	name = plain(name)
	if _, ok := x.modules[name]; ok {
		return []string{name}
	}
	var found []string
	for _, a := range x.aliases {
		if ok, err := path.Match(plain(a.pattern), name); err == nil && ok && !slices.Contains(found, a.module) {
			found = append(found, a.module)
		}
	}
	return found
}

// Name is the name of the module that a name or an alias means, or nothing if it
// means none or several.
func (x *Index) Name(name string) string {
	if found := x.Find(name); len(found) == 1 {
		return found[0]
	}
	return ""
}

// Order returns the modules that names or aliases mean, each after what it needs.
// What is built into the kernel is not among them. The error wraps ErrNone.
func (x *Index) Order(names ...string) ([]Module, error) {
	var list []Module
	add := func(name string) error {
		m, ok := x.modules[name]
		if !ok {
			return fmt.Errorf("module %s: %w", name, ErrNone)
		}
		if !slices.ContainsFunc(list, func(have Module) bool { return have.Name == name }) {
			list = append(list, m)
		}
		return nil
	}
	for _, name := range names {
		found := x.Find(name)
		if len(found) == 0 && !slices.Contains(x.builtin, plain(name)) {
			return nil, fmt.Errorf("module %s: %w", name, ErrNone)
		}
		for _, m := range found {
			for _, part := range append(slices.Clone(x.modules[m].Needs), m) {
				if err := add(part); err != nil {
					return nil, err
				}
			}
		}
	}
	return list, nil
}

// asked begins the names by which a kernel asks for what ip and tc ask it for:
// kinds of devices, qdiscs, classifiers, actions and matches. Older kernels ask
// for modules by their own names.
var asked = []string{"rtnl_link_", "net_sch_", "net_cls_", "net_act_", "ematch_kind_", "sch_", "cls_", "act_", "em_"}

// Asked returns the names of the modules that a kernel asks for by itself when ip
// or tc ask it for what they are.
func (x *Index) Asked() []string {
	is := func(name string) bool {
		return slices.ContainsFunc(asked, func(prefix string) bool { return strings.HasPrefix(name, prefix) })
	}
	var names []string
	for name := range x.modules {
		if is(name) {
			names = append(names, name)
		}
	}
	for _, a := range x.aliases {
		if is(plain(a.pattern)) {
			names = append(names, a.module)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Files are the text files that describe some of the modules, and nothing else,
// by their names.
func (x *Index) Files(of []Module) map[string]string {
	var deps, aliases strings.Builder
	has := map[string]bool{}
	for _, m := range of {
		has[m.Name] = true
		deps.WriteString(m.File + ":")
		for _, need := range slices.Backward(m.Needs) {
			deps.WriteString(" " + x.modules[need].File)
		}
		deps.WriteString("\n")
	}
	for _, a := range x.aliases {
		if has[a.module] {
			aliases.WriteString("alias " + a.pattern + " " + a.module + "\n")
		}
	}
	builtin := strings.Join(append(slices.Clone(x.builtin), ""), ".ko\n")
	return map[string]string{depFile: deps.String(), aliasFile: aliases.String(), builtinFile: builtin}
}

// All returns every module, by name.
func (x *Index) All() []Module {
	var list []Module
	for _, m := range x.modules {
		list = append(list, m)
	}
	slices.SortFunc(list, func(a, b Module) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// Read returns a module as it is loaded, decompressed if need be.
func (x *Index) Read(m Module) ([]byte, error) {
	f, err := os.Open(filepath.Join(x.dir, m.File))
	if err != nil {
		return nil, fmt.Errorf("read module: %w", err)
	}
	defer f.Close()
	if tool := unpacker(m.File); tool != "" {
		return unpack(tool, f)
	}
	b, err := io.ReadAll(f)
	if err != nil {
		return nil, fmt.Errorf("read module: %w", err)
	}
	return b, nil
}
