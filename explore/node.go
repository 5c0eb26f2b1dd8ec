package explore

import (
	"fmt"

	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/mprog"
)

// node is a moment in the life of an agent: all that it has been answered so far. As an
// agent does nothing but what follows from its answers, the node says what it does next;
// its code is run to find that out, once.
type node struct {
	agent       *agent
	incarnation int
	parent      *node
	via         event // that led here
	hash        uint64
	calls       int

	pending []call // what its goroutines wait for, in a certain order
	ended   bool   // the function has returned
	err     error  // what it returned
	next    []edge
}

// event is that one of the calls which an agent waits for is answered.
type event struct {
	index  int
	answer answer
}

type edge struct {
	index int
	key   uint64
	to    *node
}

// call is a call that waits.
type call struct {
	op      mprog.Op
	request any
	key     uint64 // of op, request and where the code makes it
	shape   uint64
}

func (c call) String() string {
	switch r := c.request.(type) {
	case nil:
		return string(c.op)
	case mprog.QueryRequest:
		return fmt.Sprintf("%s of ifindex %d, %s", c.op, r.TargetIfindex, r.AttachType)
	}
	return fmt.Sprintf("%s %+v", c.op, c.request)
}

// opExit is what an agent does behind its last call, if it is one that ends its process.
const opExit = mprog.OpExit

// perform makes a call, and answers as far as a kernel would.
func (c *call) perform(p *fake.Process) (a answer) {
	if c.op == opExit {
		_ = p.Exit() // does not fail
		return a
	}
	a.value, a.err = p.Perform(c.op, c.request)
	if a.err != nil {
		a.err = plain(c.op, a.err)
	}
	if q, ok := c.request.(mprog.QueryRequest); ok {
		if res, ok := a.value.(mprog.QueryResult); ok {
			for i, array := range q.Arrays() {
				a.arrays[i] = (*array)[:min(int(res.Count), len(*array), int(q.Count))]
			}
		}
	}
	return a
}

// after finds what an event leads to, nil when the code is to be run first.
func (n *node) after(index int, key uint64) *node {
	for i := range n.next {
		if e := &n.next[i]; e.key == key && e.index == index {
			return e.to
		}
	}
	return nil
}

// history lists the events that led to a node, the first first.
func (n *node) history() (nodes []*node) {
	for at := n; at.parent != nil; at = at.parent {
		nodes = append(nodes, at)
	}
	for i, j := 0, len(nodes)-1; i < j; i, j = i+1, j-1 {
		nodes[i], nodes[j] = nodes[j], nodes[i]
	}
	return nodes
}

// learn makes the node that an event leads to, of what the code did then.
func (n *node) learn(via event, key uint64, p point) *node {
	to := &node{
		agent: n.agent, incarnation: n.incarnation, parent: n, via: via, calls: n.calls + 1,
		hash: mix(mix(n.hash, key), uint64(via.index)),
	}
	to.take(p)
	n.next = append(n.next, edge{via.index, key, to})
	return to
}

func (n *node) take(p point) {
	n.pending, n.ended, n.err = p.pending, p.ended, p.err
	if n.ended && len(n.pending) == 0 && n.agent.exits && (n.parent == nil || n.parent.pending[n.via.index].op != opExit) {
		n.pending = []call{{op: opExit, key: requestKey(opExit, nil), shape: 1}}
	}
}

// same compares what the code did now with what it did before, and says what differs.
func (n *node) same(p point) string {
	for i := range max(len(n.pending), len(p.pending)) {
		switch {
		case i >= len(p.pending):
			if n.pending[i].op == opExit {
				continue
			}
			return fmt.Sprintf("call %d was %s, and is now none", n.calls+1, n.pending[i])
		case i >= len(n.pending):
			return fmt.Sprintf("call %d was none, and is now %s", n.calls+1, p.pending[i])
		case n.pending[i].key != p.pending[i].key:
			return fmt.Sprintf("call %d was %s, and is now %s", n.calls+1, n.pending[i], p.pending[i])
		}
	}
	if n.ended != p.ended || (n.err == nil) != (p.err == nil) {
		return fmt.Sprintf("behind call %d it had ended: %t, and has now: %t", n.calls, n.ended, p.ended)
	}
	return ""
}
