package image

import (
	"fmt"
	"io"
	"time"
)

// Options changes how images are found. The zero value is useful.
type Options struct {
	// Progress takes a line of text for each thing that takes time, such as
	// a download. A line that ends in a carriage return is to be replaced by
	// the next one. Optional.
	Progress io.Writer
	// Refresh looks for something newer than what is cached.
	Refresh bool
}

func (o Options) progress(line string) {
	if o.Progress != nil {
		fmt.Fprintln(o.Progress, line)
	}
}

// progressEvery is how often it is told how far something is.
const progressEvery = 200 * time.Millisecond

// live tells how far something is, again and again until stop is called. How
// far is called with the time that it has taken.
func (o Options) live(far func(took time.Duration) string) (stop func()) {
	if o.Progress == nil {
		return func() {}
	}
	began, done, ended := time.Now(), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		again := time.NewTicker(progressEvery)
		defer again.Stop()
		for told := false; ; told = true {
			select {
			case <-again.C:
				fmt.Fprint(o.Progress, far(time.Since(began))+"\r")
			case <-done:
				if told {
					fmt.Fprint(o.Progress, "\r")
				}
				return
			}
		}
	}()
	return func() {
		close(done)
		<-ended
	}
}

// seconds is live for what cannot be measured otherwise.
func (o Options) seconds(what string) (stop func()) {
	return o.live(func(took time.Duration) string { return fmt.Sprintf("%s: %.0f s", what, took.Seconds()) })
}
