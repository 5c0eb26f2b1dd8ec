package kernel

import "sync"

// idle has the threads of processes that have ended, in the first one's network
// namespace, for those that start: to make a thread and to end it takes three times as
// long as all that a process needs besides.
type idle struct {
	mu        sync.Mutex
	processes []*Process
}

// take returns a process with nothing open, nil if there is none.
func (i *idle) take(wanted bool) *Process {
	i.mu.Lock()
	defer i.mu.Unlock()
	n := len(i.processes)
	if !wanted || n == 0 {
		return nil
	}
	p := i.processes[n-1]
	i.processes = i.processes[:n-1]
	return p
}

// put keeps the thread of a process that has ended.
func (i *idle) put(ended *Process, t *thread) {
	p := newProcess(t)
	p.fds, p.mounts = ended.fds, ended.mounts
	i.mu.Lock()
	defer i.mu.Unlock()
	i.processes = append(i.processes, p)
}
