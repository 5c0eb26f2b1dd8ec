package source

import (
	"embed"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// shims are what the kernel's files take for granted, in our own words.
//
//go:embed shim
var shims embed.FS

// wanted is what is taken from a file of the kernel.
type wanted struct {
	file      string
	whole     bool     // all of it; else
	declared  []string // structs and enums
	macros    string   // names, as a regular expression
	functions []string // those that a tree does not have are left out
	variables []string
}

// The files, in the order in which the compiler reads them.
var (
	uapi    = wanted{file: "include/uapi/linux/bpf.h", whole: true}
	netlink = wanted{file: "include/uapi/linux/if_link.h", declared: []string{
		"enum netkit_action", "enum netkit_mode", "enum netkit_scrub", "enum netkit_pairing",
	}}
	bpf = wanted{
		file: "include/linux/bpf.h", declared: []string{"struct bpf_link_primer"},
		functions: []string{"bpf_net_capable", "bpf_prog_get_type", "is_tracing_multi"},
	}
	mprogHeader = wanted{file: "include/linux/bpf_mprog.h", whole: true}
	tcxHeader   = wanted{file: "include/net/tcx.h", whole: true}
	token       = wanted{file: "kernel/bpf/token.c", functions: []string{"bpf_ns_capable", "bpf_token_capable"}}
	mprogC      = wanted{file: "kernel/bpf/mprog.c", whole: true}
	tcxC        = wanted{file: "kernel/bpf/tcx.c", whole: true}
	netkit      = wanted{
		file: "drivers/net/netkit.c", declared: []string{"struct netkit", "struct netkit_link"},
		functions: []string{
			"netkit_priv", "netkit_entry_fetch", "netkit_entry_update", "netkit_entry_sync", "netkit_dev_fetch",
			"netkit_prog_attach", "netkit_prog_detach", "netkit_prog_query", "netkit_link", "netkit_link_prog_attach",
			"netkit_link_release", "netkit_link_update", "netkit_link_dealloc", "netkit_link_fdinfo", "netkit_link_fill_info",
			"netkit_link_detach", "netkit_link_init", "netkit_link_attach", "netkit_release_all", "netkit_uninit", "netkit_del_link",
		},
		variables: []string{"netkit_link_lops"},
	}
	syscall = wanted{
		file:   "kernel/bpf/syscall.c",
		macros: `CHECK_ATTR|BPF_\w+_LAST_FIELD|BPF_F_ATTACH_MASK\w*`,
		functions: []string{
			"bpf_check_uarg_tail_zero", "bpf_prog_free_id", "__bpf_prog_put", "bpf_prog_put", "bpf_prog_inc", "bpf_prog_inc_not_zero",
			"bpf_prog_get_ok", "__bpf_prog_get", "bpf_prog_get", "bpf_prog_get_type_dev", "bpf_prog_by_id",
			"bpf_link_init_sleepable", "bpf_link_init", "bpf_link_free_id", "bpf_link_cleanup", "bpf_link_inc", "bpf_link_dealloc",
			"bpf_link_defer_dealloc_rcu_gp", "bpf_link_defer_dealloc_mult_rcu_gp", "bpf_link_is_tracepoint", "bpf_link_free",
			"bpf_link_put_deferred", "bpf_link_put", "bpf_link_put_direct", "bpf_link_release", "bpf_link_alloc_id",
			"bpf_link_prime", "bpf_link_settle", "bpf_link_get_from_fd", "bpf_link_inc_not_zero", "bpf_link_by_id",
			"attach_type_to_prog_type", "bpf_prog_attach_check_attach_type", "is_cgroup_prog_type",
			"bpf_prog_new_fd", "bpf_link_new_fd", "bpf_obj_get_next_id", "bpf_prog_get_fd_by_id", "bpf_link_get_fd_by_id",
			"bpf_prog_attach", "bpf_prog_detach", "bpf_prog_query", "link_create", "link_update", "link_detach", "link_update_map",
			"is_tracing_multi", "__sys_bpf",
		},
	}
)

// Files are all that a tree must have.
var Files = []string{
	"Makefile", uapi.file, netlink.file, bpf.file, mprogHeader.file, tcxHeader.file, token.file, mprogC.file, tcxC.file, netkit.file, syscall.file,
}

// unit is what is compiled: one text.
type unit struct {
	out    strings.Builder
	tree   string
	change func(piece) string
}

// newUnit puts the text together from a tree. Change, if not nil, is what becomes of
// the text of each function, and of the whole files.
func newUnit(tree string, change func(piece) string) (string, error) {
	u := &unit{tree: tree, change: change}
	if change == nil {
		u.change = piece.String
	}
	parts := map[string]*parts{}
	for _, w := range []wanted{uapi, netlink, bpf, mprogHeader, tcxHeader, token, mprogC, tcxC, netkit, syscall} {
		p, err := u.take(w)
		if err != nil {
			return "", err
		}
		parts[w.file] = p
	}
	u.shim("types.h")
	u.write(parts[uapi.file].whole.String())
	u.shim("shim.h")
	u.shim("call.h")
	u.list(parts[netlink.file].declared)
	if len(parts[netlink.file].declared) == len(netlink.declared) {
		u.write("#define NK_HAS_PAIRING 1\n")
	}
	u.list(parts[bpf.file].declared)
	u.prototypes(parts[bpf.file], parts[token.file], parts[syscall.file], parts[netkit.file])
	u.list(parts[syscall.file].macros)
	u.functions(parts[bpf.file])
	u.write(u.change(parts[mprogHeader.file].whole) + u.change(parts[tcxHeader.file].whole))
	u.list(parts[netkit.file].declared)
	u.write(u.change(parts[mprogC.file].whole) + u.change(parts[tcxC.file].whole))
	for _, f := range []wanted{token, netkit, syscall} {
		u.functions(parts[f.file])
	}
	u.shim("stage.c")
	return u.out.String(), nil
}

// parts is what was taken from a file.
type parts struct {
	whole                       piece
	declared, macros, variables []piece
	functions                   []piece
	names                       []string // of functions
}

func (u *unit) take(w wanted) (*parts, error) {
	text, err := os.ReadFile(filepath.Join(u.tree, w.file))
	if err != nil {
		return nil, fmt.Errorf("take from a kernel's source: %w", err)
	}
	f := &cFile{w.file, string(text)}
	p := &parts{}
	if w.whole {
		p.whole = f.whole()
		return p, nil
	}
	if w.macros != "" {
		p.macros = f.macros(w.macros)
	}
	collect := func(list *[]piece, names []string, find func(string) (piece, bool)) {
		for _, name := range names {
			if one, ok := find(name); ok {
				*list = append(*list, one)
			}
		}
	}
	collect(&p.declared, w.declared, f.declared)
	collect(&p.variables, w.variables, f.variable)
	for _, name := range w.functions {
		if one, ok := f.function(name); ok {
			p.functions, p.names = append(p.functions, one), append(p.names, name)
		}
	}
	return p, nil
}

func (u *unit) write(text string) { u.out.WriteString(text) }

func (u *unit) shim(name string) {
	text, err := shims.ReadFile("shim/" + name)
	if err != nil {
		panic(err) // it is in this program
	}
	u.write(fmt.Sprintf("#line 1 %q\n%s", name, text))
}

func (u *unit) list(pieces []piece) {
	for _, p := range pieces {
		u.write(p.String())
	}
}

// prototypes declares the functions, and every struct that one names.
func (u *unit) prototypes(all ...*parts) {
	var structs []string
	var text strings.Builder
	for _, p := range all {
		for i, f := range p.functions {
			structs = append(structs, structName.FindAllString(f.prototype(), -1)...)
			text.WriteString(f.prototype())
			fmt.Fprintf(&text, "#define NK_PARAMS_%s %d\n", p.names[i], f.params(p.names[i]))
		}
	}
	slices.Sort(structs)
	for _, s := range slices.Compact(structs) {
		u.write(s + ";\n")
	}
	u.write(text.String())
}

var structName = regexp.MustCompile(`struct \w+`)

// functions writes functions and then variables, which name functions; they are declared
// in front of them.
func (u *unit) functions(p *parts) {
	for _, v := range p.variables {
		head, _, _ := strings.Cut(v.text, " = {")
		u.write(head + ";\n")
	}
	for _, f := range p.functions {
		u.write(u.change(f))
	}
	u.list(p.variables)
}
