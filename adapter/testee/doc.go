// Package testee is the running kernel as seen through another program, the
// testee, in any language: what the suite finds here and not on the bare kernel
// is the doing of the library that the testee uses.
//
// The testee reads requests from its standard input, one a line, and writes a
// reply to each to its standard output; standard error is shown. It ends with its
// input. A request is a verb and words KEY=NUMBER, in decimal; a key that is left
// out is 0:
//
//	hello
//	prog-attach target_ifindex=3 attach_type=54 prog_id=7 flags=8 relative_prog_id=5 expected_revision=2
//	prog-detach target_ifindex=3 attach_type=54 prog_id=7
//	prog-query target_ifindex=3 attach_type=54 count=64
//	link-create target_ifindex=3 attach_type=54 prog_id=7 flags=16 relative_id=5
//	link-update link_id=2 new_prog_id=8 flags=4 old_prog_id=7
//	link-detach link_id=2
//	release
//
// Programs and links exist already and are named by id; the testee opens them
// (BPF_PROG_GET_FD_BY_ID, BPF_LINK_GET_FD_BY_ID) and hands the fds to its
// library. Keys and flags are those of bpf_attr, with these exceptions:
//
//   - prog_id, replace_prog_id, new_prog_id, old_prog_id and link_id stand for the
//     fields that are fds; 0 is no object;
//   - relative_prog_id and relative_link_id stand for relative_fd, while
//     relative_id is that field itself, any number, and comes with BPF_F_ID (32)
//     in flags;
//   - prog_attach_flags and link_attach_flags are 1 where the library is to be given
//     an array to fill, which is in the reply then, as prog_ids and link_ids are.
//
// A reply is one of
//
//	ok
//	ok link_id=2
//	ok revision=3 count=2 prog_ids=7,8 link_ids=0,2
//	errno 116
//	errno 28 revision=3 count=2 prog_ids=7 link_ids=0
//	ok revision=3 count=2 prog_ids=7,8 link_ids=0,2 prog_attach_flags=0,0
//	unsupported the library has no such call
//
// To hello it is ok with name=NAME and version=VERSION of the library. Errors are
// numbers of Linux, as the library gave them to its caller. What the library
// cannot say, or refuses to say for a reason that is no errno, is unsupported, and
// the scenario is skipped. No fd of the request may be open any more when the
// reply is written, but for the new link's, which stays until release.
package testee
