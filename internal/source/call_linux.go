package source

import (
	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/mprog/attr"
)

// Operations of a call (enum nk_op).
const (
	opOpen uint32 = iota
	opBPF
	opProgNew
	opProgGet
	opProgPut
	opLinkPut
	opLinkInfo
	opDevNew
	opDevPair
	opDevDel
	opDevMove
	opList
	opClose
)

// call is struct nk_call.
type call struct {
	op, cmd, size, net uint32
	caps               uint64
	nextFD, nfds       uint32
	fds                [48]struct{ fd, kind, id, _ uint32 }
	arg                [6]uint64
	room               [4]uint32

	result        int64
	installed     fake.CodeObject // behind a new fd
	last, _       uint32          // id of a link
	written       [4]uint32
	ngone, warned uint32
	gone          [1024]fake.CodeObject
	uncovered     [64]byte
	warning       [192]byte
	array         [4][entries]uint32
	attr          attr.Buffer
}

// entries is how many an array holds.
const entries = 4096
