package kmod

import (
	"bytes"
	"encoding/binary"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// module is a file with a section .modinfo as a module has it, and no code.
func module(lines ...string) []byte {
	info := strings.Join(lines, "\x00") + "\x00"
	names := "\x00.modinfo\x00.shstrtab\x00"
	var b bytes.Buffer
	put := func(v ...any) {
		for _, x := range v {
			_ = binary.Write(&b, binary.LittleEndian, x)
		}
	}
	b.WriteString("\x7fELF\x02\x01\x01" + strings.Repeat("\x00", 9))
	put(uint16(1), uint16(62), uint32(1), uint64(0), uint64(0), uint64(64+len(info)+len(names)), uint32(0))
	put(uint16(64), uint16(0), uint16(0), uint16(64), uint16(3), uint16(2))
	b.WriteString(info + names)
	section := func(name, kind uint32, off, size int) {
		put(name, kind, uint64(0), uint64(0), uint64(off), uint64(size), uint32(0), uint32(0), uint64(1), uint64(0))
	}
	section(0, 0, 0, 0)
	section(1, 1, 64, len(info))
	section(10, 3, 64+len(info), len(names))
	return b.Bytes()
}

// folder is one of modules as a package has it: without depmod's files.
func folder(t *testing.T) string {
	dir := t.TempDir()
	for name, text := range map[string][]byte{
		"kernel/net/bridge/bridge.ko":      module("license=GPL", "alias=rtnl-link-bridge", "depends=stp,llc"),
		"kernel/net/802/stp.ko":            module("depends=llc"),
		"kernel/net/llc/llc.ko":            module("depends="),
		"kernel/net/sched/sch_ingress.ko":  module("alias=net-sch-clsact", "alias=net-sch-ingress"),
		"kernel/net/sched/cls_bpf.ko":      module("depends="),
		"kernel/net/l2tp/l2tp-eth.ko":      module("depends=l2tp-core"),
		"kernel/net/l2tp/l2tp_core.ko":     module(),
		"kernel/drivers/net/ethernet/e.ko": module("alias=pci:v00008086d*sv*sd*bc*sc*i*"),
		"kernel/drivers/net/dummy.ko":      module("alias=rtnl-link-dummy"),
		"modules.builtin":                  []byte("kernel/fs/ext4/ext4.ko\nkernel/drivers/net/veth-in.ko\n"),
	} {
		path := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, text, 0o644))
	}
	return dir
}

func names(list []Module) string {
	var s []string
	for _, m := range list {
		s = append(s, m.Name)
	}
	return strings.Join(s, " ")
}

func checkOrder(t *testing.T, x *Index) {
	t.Helper()
	for asked, want := range map[string]string{
		"bridge":             "llc stp bridge",
		"rtnl-link-bridge":   "llc stp bridge",
		"stp bridge cls-bpf": "llc stp bridge cls_bpf",
		"net-sch-clsact":     "sch_ingress",
		"l2tp_eth":           "l2tp_core l2tp_eth",
		"pci:v00008086d0000100Esv00001AF4sd0bc02sc00i00": "e",
		"ext4 veth_in": "",
	} {
		list, err := x.Order(strings.Fields(asked)...)
		require.NoError(t, err, asked)
		assert.Equal(t, want, names(list), asked)
	}
	for _, name := range []string{"rtnl-link-veth", "pci:v0000", ""} {
		_, err := x.Order("llc", name)
		assert.ErrorIs(t, err, ErrNone, name)
	}
	assert.Equal(t, []string{"bridge", "cls_bpf", "dummy", "sch_ingress"}, x.Asked())
	assert.Equal(t, "bridge", x.Name("rtnl-link-bridge"))
}

func TestFolderAsPacked(t *testing.T) {
	x, err := Open(folder(t))
	require.NoError(t, err)
	checkOrder(t, x)
}

// What is written of some of the modules says the same of them, and no more.
func TestFiles(t *testing.T) {
	dir := folder(t)
	x, err := Open(dir)
	require.NoError(t, err)
	for name, text := range x.Files(x.All()) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
	}
	again, err := Open(dir)
	require.NoError(t, err)
	checkOrder(t, again)

	list, err := x.Order("rtnl-link-bridge")
	require.NoError(t, err)
	part := t.TempDir()
	for name, text := range x.Files(list) {
		require.NoError(t, os.WriteFile(filepath.Join(part, name), []byte(text), 0o644))
	}
	some, err := Open(part)
	require.NoError(t, err)
	list, err = some.Order("rtnl-link-bridge", "ext4")
	require.NoError(t, err)
	assert.Equal(t, "llc stp bridge", names(list))
	_, err = some.Order("dummy")
	assert.ErrorIs(t, err, ErrNone)
}

// depmod(8) names what a module needs with the one last that is loaded first.
func TestDepmodsFile(t *testing.T) {
	x := &Index{modules: map[string]Module{}}
	x.readDeps("kernel/a/bridge.ko.xz: kernel/b/stp.ko.xz kernel/c/llc.ko.xz\nkernel/b/stp.ko.xz: kernel/c/llc.ko.xz\nkernel/c/llc.ko.xz:\n")
	list, err := x.Order("bridge")
	require.NoError(t, err)
	assert.Equal(t, "llc stp bridge", names(list))
}

// Prepared, a folder has those unpacked that kernels ask for.
func TestPrepare(t *testing.T) {
	for _, tool := range []string{"xz", "zstd"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip(err)
		}
	}
	dir := folder(t)
	found, err := filepath.Glob(filepath.Join(dir, "kernel/*/*/*.ko"))
	require.NoError(t, err)
	for i, file := range append(found, filepath.Join(dir, "kernel/drivers/net/ethernet/e.ko")) {
		pack := [][]string{{"xz", "-q"}, {"zstd", "-q", "--rm"}}[i%2]
		require.NoError(t, exec.Command(pack[0], append(pack[1:], file)...).Run(), file)
	}
	require.NoError(t, Prepare(dir))
	x, err := Open(dir)
	require.NoError(t, err)
	checkOrder(t, x)
	for _, m := range x.All() {
		asked := slices.Contains([]string{"bridge", "llc", "stp", "cls_bpf", "dummy", "sch_ingress"}, m.Name)
		assert.Equal(t, asked, unpacker(m.File) == "", m.File)
		b, err := x.Read(m)
		require.NoError(t, err)
		assert.Contains(t, string(b), "ELF", m.File)
	}
}

func TestNoModules(t *testing.T) {
	_, err := Open(t.TempDir())
	assert.ErrorIs(t, err, fs.ErrNotExist)
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "bad.ko"), []byte("no ELF"), 0o644))
	_, err = Open(dir)
	assert.ErrorContains(t, err, "bad.ko: ")
}
