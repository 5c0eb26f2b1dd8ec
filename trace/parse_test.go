package trace

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// sample is in the form that the printer gives.
const sample = `# The revision of an emptied netkit hook goes on, although a query shows 1.
need netkit tcx !veth
netkit nk0 nk1

prog a b # two of them
prog x type=xdp return=-1
prog p1..p63                           = ok
attach nk0:primary a                   = revision 2 [a]
detach nk0:primary                     = revision 1 []
attach nk0:primary b expected_revision=1 ! ESTALE  # the true one is 3
link l nk0:primary b flags=before+0x80000000 = revision 4 [b@l]
query nk0:primary count=1 prog_ids=null ! ENOSPC revision 4 count 2 [b@l]
query nk0:primary prog_attach_flags=array link_attach_flags=array = prog_attach_flags 0*2,8 link_attach_flags none
attach nk0:99 a                        ! EINVAL | ! EOPNOTSUPP
attach nk0:primary a flags=before      ! EBUSY attach/some-rule | ! EINVAL a/b
attach 99999:primary -1                ! ENODEV | = ok
attach nk0:primary p1..p62             = revision 66 [b@l p1..p62]
link-update l a flags=replace old_prog_fd=b = [a@l 17@4]
link-detach l size=3
netns blue
move nk1 blue
process q netns=blue without=net_admin+bpf
q: prog-fd z a open_flags=1            ! EPERM
link-fd m l
link-fd m2 l+4                         ! ENOENT
q: link-next 0                         = next_id l
pin /sys/fs/bpf/l l
get k /sys/fs/bpf/l
dup y m
send nk0                               = packet delivered [a b]
qdisc nk0 clsact handle=0xffff0000 nlmsg_flags=create+replace
filter nk0:ingress a prio=1 nlmsg_flags=0 bpf_flags=0 = prio 1 handle 1*2,3 [a b@l]
q: filter-delete nk0:0xffff0001 chain=7 protocol=0x800 ! ENOENT
filter-list nk0:egress                 = []
qdisc-delete nk0
unlink /sys/fs/bpf/l
bpf 999 size=16                        ! EINVAL
exit q
info l                                 = type netkit id l prog_id a ifindex 0 attach_type peer
close l                                ?
delete nk0
`

func TestPrintIsTheInverseOfParse(t *testing.T) {
	f, err := Parse("sample", sample)
	require.NoError(t, err)
	want := strings.Replace(sample, "prog a b #", "prog a b  #", 1)
	require.Equal(t, want, f.String())
}

func TestParseErrors(t *testing.T) {
	const stage = "netkit nk0 nk1\nprog a\nlink l nk0:peer a\n"
	for _, tc := range []struct{ text, want string }{
		{"atach nk0:primary a", `t:4:1: unknown statement "atach": expected one of attach, bpf, cgroup`},
		{"attach nk0:primary", `t:4:19: attach: expected a program or link, found the end of the line`},
		{"attach nk0:primary b", `t:4:20: no program or link is called "b": expected one of a, l`},
		{"attach nk9:primary a", `t:4:8: no device is called "nk9": expected one of lo, nk0, nk1`},
		{"attach a:primary a", `t:4:8: no device is called "a": expected one of lo, nk0, nk1`},
		{"attach nk0:primry a", `t:4:8: expected an attach type (primary, peer, ingress, egress, xdp, cgroup_inet_ingress and so on, or a number), found "primry"`},
		{"attach nk0 a", `t:4:8: expected a hook such as nk0:primary, found "nk0"`},
		{"attach nk0:primary a flag=before", `t:4:22: attach: unknown key "flag": expected one of expected_revision, flags`},
		{"attach nk0:primary a flags=befor", `t:4:28: unknown flag "befor"`},
		{"attach nk0:primary a flags=id flags=id", `t:4:31: attach: flags is given twice`},
		{"attach nk0:primary a relative_fd=a relative_id=a", `t:4:36: attach: relative_fd and relative_id are the same field`},
		{"attach nk0:primary a expected_revision=x", `t:4:40: expected a number of 64 bits, found "x"`},
		{"attach nk0:primary a a", `t:4:22: attach: expected key=value or an answer (=, ! or ?), found "a"`},
		{"attach nk0:primary a ! ESTALLE", `t:4:24: attach: expected an errno such as ESTALE, found "ESTALLE"`},
		{"attach nk0:primary a =", `t:4:23: attach: expected ok, revision, attach_flags, a list in brackets, found the end of the line`},
		{"attach nk0:primary a = count 4", `found "count"`},
		{"attach nk0:primary a = revision", `t:4:32: attach: expected the value of revision, found the end of the line`},
		{"attach nk0:primary a = revision 1 revision 1", `t:4:35: attach: revision is given twice`},
		{"attach nk0:primary a = [a", `t:4:26: expected ] at the end of the list, found the end of the line`},
		{"attach nk0:primary a = [b]", `t:4:25: no program is called "b": expected one of a`},
		{"attach nk0:primary a = [a@k]", `t:4:27: no link is called "k": expected one of l`},
		{"attach nk0:primary a = ok | ESTALE", `t:4:29: attach: expected = or !, found "ESTALE"`},
		{"attach nk0:primary a ? ok", `t:4:24: attach: expected the end of the line, found "ok"`},
		{"query nk0:primary count=99999999999", `t:4:25: expected a number of 32 bits, found "99999999999"`},
		{"query nk0:primary prog_ids=0", `t:4:28: expected null, found "0"`},
		{"query nk0:primary prog_attach_flags=null", `t:4:37: expected array, found "null"`},
		{"query nk0:primary = prog_attach_flags 0,", `t:4:39: query: expected the value of prog_attach_flags, found "0,"`},
		{"query nk0:primary = prog_attach_flags 0*", `t:4:39: query: expected the value of prog_attach_flags, found "0*"`},
		{"query nk0:primary = prog_attach_flags 0*x", `t:4:39: query: expected the value of prog_attach_flags, found "0*x"`},
		{"qdisc nk0 fq", `t:4:11: expected clsact or ingress, found "fq"`},
		{"qdisc nk0", `t:4:10: qdisc: expected clsact or ingress, found the end of the line`},
		{"qdisc nk0 clsact nlmsg_flags=make", `t:4:30: unknown flag "make": expected replace, excl, create, append or 0`},
		{"filter nk0:ingress a prio=65536", `t:4:27: expected a number of 16 bits, found "65536"`},
		{"need netkitt", `t:4:6: unknown feature "netkitt": expected one of`},
		{"need !netkitt", `t:4:6: unknown feature "!netkitt": expected one of`},
		{"need netkit = ok", `t:4:13: need: takes no answer, found "="`},
		{"veth v0", `t:4:8: veth: expected the name of a new device, found the end of the line`},
		{"netkit nk2 mode=l4", `t:4:17: expected l2 or l3, found "l4"`},
		{"netkit nk2 policy=drop", `t:4:19: expected forward or blackhole, found "drop"`},
		{"process q without=root", `t:4:19: expected net_admin, sys_admin, perfmon or bpf, joined by +, found "root"`},
		{"process q netns=blue", `t:4:17: no network namespace is called "blue"`},
		{"end blue", `t:4:5: no network namespace is called "blue"`},
		{"netns red\nend nk0", `t:5:5: no network namespace is called "nk0": expected one of red`},
		{"netns red\nend red = revision 1", `t:5:11: end: expected ok, found "revision"`},
		{"q: attach nk0:primary a", `t:4:1: no process is called "q"`},
		{"process q\nq: prog b", `t:5:4: prog is no system call: a process cannot make it`},
		{"exit a", `t:4:6: no process is called "a"`},
		{"pin l l", `t:4:5: expected a path that begins with /, found "l"`},
		{"link-fd x l+y", `t:4:11: expected an id such as l+1, found "l+y"`},
		{"link-fd x k+1", `t:4:11: no program or link is called "k": expected one of a, l`},
		{"link-fd x 5+1", `t:4:11: expected an id such as l+1, found "5+1"`},
		{"dup x y", `t:4:7: no program or link is called "y": expected one of a, l`},
		{"attach g:cgroup_inet_ingress a", `t:4:8: no cgroup or program or link or device is called "g"`},
		{"cgroup g\nattach g:primary a", `t:5:8: no device is called "g"`},
		{"cgroup c parent=g", `t:4:17: no cgroup or program or link is called "g"`},
		{"prog z expected_attach_type=cgroup_inet", `t:4:29: expected an attach type`},
		{"netkit nk2 nk2", `t:4:12: "nk2" is declared twice`},
		{"netkit nk2 a", `t:4:12: "a" is taken, by a program: what is new has another name`},
		{"prog 1a", `t:4:6: expected the name of a new program (a letter`},
		{"prog p1..q9", `t:4:6: expected a range such as p1..p63, found "p1..q9"`},
		{"link k nk0:peer a..b", `expected program or a number, found "a..b"`},
		{"prog z type=tc", `t:4:13: expected a program type`},
		{"link k nk0:peer a ! EEXIST\nlink-detach k", `t:5:13: no program or link is called "k"`},
	} {
		t.Run(tc.text, func(t *testing.T) {
			_, err := Parse("t", stage+tc.text)
			require.ErrorContains(t, err, tc.want)
			var e *Error
			require.True(t, errors.As(err, &e))
		})
	}
}

func TestParseReportsEveryLine(t *testing.T) {
	_, err := Parse("t", "bad\nprog a\nworse\n")
	require.ErrorContains(t, err, "t:1:1")
	require.ErrorContains(t, err, "t:3:1")
}

func TestMatches(t *testing.T) {
	for _, tc := range []struct {
		expected, came string
		want           bool
	}{
		{"", "= revision 2 [a]", true},
		{"", "! EINVAL", false},
		{"= ok", "= revision 2 [a]", true},
		{"= revision 2", "= revision 2 [a]", true},
		{"= revision 3", "= revision 2 [a]", false},
		{"= [a]", "= revision 2 [a]", true},
		{"= [a]", "= revision 2 [a@l]", false},
		{"= [a b]", "= revision 2 [b a]", false},
		{"= []", "= revision 1 []", true},
		{"= []", "= ok", false},
		{"! EINVAL", "! EINVAL revision 2 [a]", true},
		{"! EINVAL", "= ok", false},
		{"! EINVAL | = [a]", "= [a]", true},
		{"= [p1..p4]", "= [p1 p2 p3 p4]", true},
		{"?", "! EIO", true},
	} {
		t.Run(tc.expected+" and "+tc.came, func(t *testing.T) {
			expected, came := answerOf(t, tc.expected), answerOf(t, tc.came)
			require.Equal(t, tc.want, expected.Matches(came.Outcomes[0]))
		})
	}
}

func answerOf(t *testing.T, text string) Answer {
	f, err := Parse("t", "netkit n m\nprog a b p1..p4\nlink l n:peer a\nattach n:peer a "+text)
	require.NoError(t, err)
	return f.Statements()[3].Answer
}

func TestCompressListIsTheInverseOfExpandList(t *testing.T) {
	list := ExpandList([]Entry{{"a", ""}, {"p1..p9", ""}, {"p11", ""}, {"p12", "l"}, {"q5..q8", ""}, {"q9", "l"}})
	require.Len(t, list, 17)
	short := CompressList(list)
	require.Equal(t, []Entry{{"a", ""}, {"p1..p9", ""}, {"p11", ""}, {"p12", "l"}, {"q5..q8", ""}, {"q9", "l"}}, short)
	require.Equal(t, list, ExpandList(short))
}

func FuzzParsePrint(f *testing.F) {
	f.Add(sample)
	f.Add("prog a..b\n[ ] = ! | ?\n")
	f.Fuzz(func(t *testing.T, text string) {
		first, err := Parse("f", text)
		if err != nil {
			return
		}
		printed := first.String()
		second, err := Parse("f", printed)
		require.NoError(t, err, printed)
		require.Equal(t, first, second)
		require.Equal(t, printed, second.String())
	})
}

func TestFormatNumbers(t *testing.T) {
	for _, tc := range []struct {
		list []uint32
		want string
	}{
		{nil, "none"}, {[]uint32{}, "none"}, {[]uint32{8}, "8"}, {[]uint32{0, 0, 0}, "0*3"},
		{[]uint32{1, 2, 2, 1}, "1,2*2,1"}, {[]uint32{0xffffffff, 0}, "4294967295,0"},
	} {
		got := FormatNumbers(tc.list)
		require.Equal(t, tc.want, got)
		require.True(t, isValue(got), got)
	}
}
