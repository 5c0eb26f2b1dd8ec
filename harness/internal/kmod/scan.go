package kmod

import (
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// unpackers are the programs that undo the compression of modules.
var unpackers = map[string]string{".xz": "xz", ".zst": "zstd", ".gz": "gzip"}

// unpacker is the program that undoes the compression of a file, if it has one.
func unpacker(file string) string { return unpackers[filepath.Ext(file)] }

// unpack returns what a compressed file holds.
func unpack(tool string, f *os.File) ([]byte, error) {
	var stderr bytes.Buffer
	cmd := exec.Command(tool, "-dc")
	cmd.Stdin, cmd.Stderr = f, &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("unpack %s: %s: %w: %s", f.Name(), tool, err, bytes.TrimSpace(stderr.Bytes()))
	}
	return out, nil
}

// scan fills the index from the modules below the folder.
func (x *Index) scan() error {
	err := filepath.WalkDir(x.dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || !isModule(name) || !d.Type().IsRegular() {
			return err
		}
		if _, err := os.Stat(unpackedName(name)); err == nil && unpacker(name) != "" {
			return nil // beside it is what it holds
		}
		rel, err := filepath.Rel(x.dir, name)
		if err != nil {
			return err
		}
		return x.describe(Module{Name: nameOf(rel), File: rel})
	})
	if err == nil && len(x.modules) == 0 {
		err = fmt.Errorf("no module is below %s: %w", x.dir, fs.ErrNotExist)
	}
	if err != nil {
		return fmt.Errorf("read modules: %w", err)
	}
	for name, m := range x.modules {
		m.Needs = x.closure(m.Needs, nil, []string{name})
		x.modules[name] = m
	}
	return nil
}

func isModule(file string) bool { return strings.HasSuffix(unpackedName(file), ".ko") }

// unpackedName is a module's file name without that of its compression.
func unpackedName(file string) string {
	if unpacker(file) != "" {
		return strings.TrimSuffix(file, filepath.Ext(file))
	}
	return file
}

// describe adds a module, with what its section .modinfo says of it.
func (x *Index) describe(m Module) error {
	b, err := x.Read(m)
	if err != nil {
		return err
	}
	f, err := elf.NewFile(bytes.NewReader(b))
	if err != nil {
		return fmt.Errorf("%s: %w", m.File, err)
	}
	section := f.Section(".modinfo")
	if section == nil {
		return fmt.Errorf("%s is no module: it has no section .modinfo", m.File)
	}
	info, err := section.Data()
	if err != nil {
		return fmt.Errorf("%s: %w", m.File, err)
	}
	for line := range bytes.SplitSeq(info, []byte{0}) {
		switch key, value, _ := strings.Cut(string(line), "="); key {
		case "alias":
			x.aliases = append(x.aliases, alias{value, m.Name})
		case "depends":
			for need := range strings.SplitSeq(value, ",") {
				if need != "" {
					m.Needs = append(m.Needs, plain(need))
				}
			}
		}
	}
	x.modules[m.Name] = m
	return nil
}

// closure adds to a list what modules need, all of it, each after what it needs
// itself. Above are those that need them.
func (x *Index) closure(needs, list, above []string) []string {
	for _, need := range needs {
		if slices.Contains(list, need) || slices.Contains(above, need) {
			continue
		}
		list = x.closure(x.modules[need].Needs, list, append(above, need))
		if !slices.Contains(list, need) {
			list = append(list, need)
		}
	}
	return list
}

// Prepare makes a folder of modules ready for Open to be fast: it writes the text
// files of depmod, and unpacks the modules that kernels ask for by themselves.
func Prepare(dir string) error {
	if err := unpackAll(dir); err != nil {
		return err
	}
	x, err := Open(dir)
	if err != nil {
		return err
	}
	common, err := x.Order(x.Asked()...)
	if err != nil {
		return err
	}
	// The others take a fifth of the room as they came.
	for name, m := range x.modules {
		if slices.ContainsFunc(common, func(c Module) bool { return c.Name == name }) {
			continue
		}
		for suffix := range unpackers {
			if _, err := os.Stat(filepath.Join(dir, m.File+suffix)); err == nil {
				if err := os.Remove(filepath.Join(dir, m.File)); err != nil {
					return err
				}
				m.File += suffix
				x.modules[name] = m
			}
		}
	}
	for name, text := range x.Files(x.All()) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// batch is how many files a program unpacks at once.
const batch = 100

// unpackAll unpacks all modules below a folder, beside the packed ones.
func unpackAll(dir string) error {
	packed := map[string][]string{}
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if tool := unpacker(name); err == nil && tool != "" && isModule(name) {
			packed[tool] = append(packed[tool], name)
		}
		return err
	})
	if err != nil {
		return err
	}
	for tool, files := range packed {
		for part := range slices.Chunk(files, batch) {
			out, err := exec.Command(tool, append([]string{"-dkq", "--"}, part...)...).CombinedOutput()
			if errors.Is(err, exec.ErrNotFound) {
				return fmt.Errorf("%s is missing, in which the modules are packed", tool)
			}
			if err != nil {
				return fmt.Errorf("unpack modules: %s: %w: %s", tool, err, bytes.TrimSpace(out))
			}
		}
	}
	return nil
}
