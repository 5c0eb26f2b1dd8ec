package matrix

import "github.com/nkconform/nkconform/report"

// Stage is how far a kernel has come.
type Stage int

// The stages, in order.
const (
	Fetching Stage = iota // its image is looked for
	Booting
	Running // the suite
	Done
)

// Event tells that something has happened to a kernel.
type Event struct {
	Entry Entry
	Stage Stage
	Cases int         // reported so far
	Run   *report.Run // of Done
}

func (m *matrix) watch(e Event) {
	if m.options.Watch == nil {
		return
	}
	m.watching.Lock()
	defer m.watching.Unlock()
	m.options.Watch(e)
}
