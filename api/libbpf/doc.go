// Package libbpf has the shape of libbpf's attach functions, as far as netkit,
// tcx and cgroups go, on any [mprog.Kernel]:
//
//	prog := &libbpf.Program{Name: "mine", FD: int(fd), ExpectedAttachType: mprog.NetkitPrimary}
//	l, err := libbpf.AttachNetkit(k, prog, int(nk0), libbpf.Opts(libbpf.NetkitOpts{Flags: mprog.Before}))
//
// What libbpf (1.3 and later) refuses in front of the kernel is refused here with
// the same errno, what it hands on is handed on. A refusal that is libbpf's own is an
// [*mprog.Error] whose Op begins with "libbpf".
//
//	bpf_program__attach_netkit, bpf_program__attach_tcx  AttachNetkit, AttachTCX
//	bpf_program__attach_cgroup_opts, __attach_cgroup     AttachCgroup
//	bpf_prog_attach_opts, bpf_prog_attach                ProgAttach
//	bpf_prog_detach_opts, bpf_prog_detach2               ProgDetach
//	bpf_prog_query_opts                                  ProgQuery
//	bpf_link_create, bpf_link_update, bpf_link_detach    LinkCreate, LinkUpdate, LinkDetach
//	bpf_link__open                                       LinkOpen
//	bpf_link__fd, __pin, __unpin, __pin_path, __detach,
//	__update_program, __disconnect, __destroy            methods of Link
//
// # Structs of options
//
// As in C, each struct of options says its own size: the library takes fields
// behind it for absent, and bytes behind the fields that it knows must be zero. [Opts]
// fills the size in, as LIBBPF_OPTS does; without it the size is 0, which is too
// small. The sizes are those of 64-bit systems. nil stands for no options.
//
// # What differs
//
// A pin's directory must exist; libbpf makes it. A closed link's fd is not somebody
// else's later on.
package libbpf
