package console

// Watch is an io.Writer that reads a console while it is printed.
type Watch struct {
	broke, told chan struct{}
	find        finder
	rest        []byte // of a line that has not ended yet
	broken      bool   // broke is closed
	whole       bool   // told is closed
}

// NewWatch returns a watch of a console that has printed nothing yet.
func NewWatch() *Watch {
	return &Watch{broke: make(chan struct{}), told: make(chan struct{})}
}

// Broke is closed at the first complaint after which nothing of the kernel counts.
func (w *Watch) Broke() <-chan struct{} { return w.broke }

// Told is closed when that complaint has been printed to its end, as far as its kind
// has one.
func (w *Watch) Told() <-chan struct{} { return w.told }

// Write takes what is printed next. It never fails.
func (w *Watch) Write(b []byte) (int, error) {
	w.rest = append(w.rest, b...)
	for {
		text, rest, ok := cutLine(w.rest)
		if !ok {
			return len(b), nil
		}
		w.line(string(text))
		w.rest = rest
	}
}

func (w *Watch) line(text string) {
	if w.whole {
		return
	}
	w.find.add(text)
	reading := w.find.lines != nil
	if !w.broken && reading && w.find.is.kind.Breaks() {
		w.broken = true
		close(w.broke)
	}
	if w.broken && !reading {
		w.whole = true
		close(w.told)
	}
}
