package fuse

import (
	"sync"
	"syscall"
)

// Node is a file or a folder.
type Node struct {
	// Read makes what a file has in it; nil: nothing.
	Read func() []byte
	// Write takes what is written to a file by one call; nil: nobody may write.
	Write func([]byte) syscall.Errno
	// Mkdir makes a folder in this one, and Rmdir removes one; nil: nobody may.
	Mkdir func(name string) (*Node, syscall.Errno)
	Rmdir func(name string) syscall.Errno
	// Fill makes a folder's nodes when they are looked at first.
	Fill func(*Node)

	folder bool

	mu       sync.Mutex
	filled   bool
	children map[string]*Node
	order    []string
}

// Folder makes a folder.
func Folder() *Node { return &Node{folder: true} }

// Add puts a node into a folder, in the place of another one of the name.
func (n *Node) Add(name string, child *Node) *Node {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.children == nil {
		n.children = make(map[string]*Node)
	}
	if n.children[name] == nil {
		n.order = append(n.order, name)
	}
	n.children[name] = child
	return child
}

// Remove takes a node out of a folder, and reports whether it was there.
func (n *Node) Remove(name string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.children[name] == nil {
		return false
	}
	delete(n.children, name)
	for i, each := range n.order {
		if each == name {
			n.order = append(n.order[:i:i], n.order[i+1:]...)
			break
		}
	}
	return true
}

// Child returns the node of a name, nil if there is none.
func (n *Node) Child(name string) *Node {
	n.fill()
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.children[name]
}

// Names lists a folder.
func (n *Node) Names() []string {
	n.fill()
	n.mu.Lock()
	defer n.mu.Unlock()
	return append([]string(nil), n.order...)
}

// Folder reports whether the node is one.
func (n *Node) Folder() bool { return n.folder }

func (n *Node) fill() {
	n.mu.Lock()
	filled := n.filled
	n.filled = true
	n.mu.Unlock()
	if !filled && n.Fill != nil {
		n.Fill(n)
	}
}
