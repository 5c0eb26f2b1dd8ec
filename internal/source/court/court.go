package court

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nkconform/nkconform/internal/source/cmutate"
)

// Verdict is what became of a mutant.
type Verdict struct {
	cmutate.Mutant
	By string // the scenario that noticed it, or that it hangs or dies; "": nothing did
}

// patience is how long a mutant may say nothing, on a machine that has other things to do;
// it has played a hundred scenarios meanwhile, which is a hundredth of a second's work.
const patience = 10 * time.Second

// startTime is how long a worker may take until it is ready.
const startTime = 2 * time.Minute

// Judge has workers, which argv starts, judge mutants, and tells each verdict as it comes.
func Judge(ctx context.Context, argv []string, mutants []cmutate.Mutant, jobs int, tell func(Verdict)) error {
	c := &court{argv: argv, tell: tell, killers: map[string][]string{}}
	queue := make(chan cmutate.Mutant)
	var wg sync.WaitGroup
	for range jobs {
		wg.Go(func() { c.serve(ctx, queue) })
	}
	for _, m := range mutants {
		queue <- m
	}
	close(queue)
	wg.Wait()
	if c.err == nil && ctx.Err() != nil {
		c.err = ctx.Err()
	}
	return c.err
}

type court struct {
	argv []string

	mu      sync.Mutex
	tell    func(Verdict)
	killers map[string][]string // by function: scenarios that noticed others
	err     error
}

// serve judges mutants from a queue with a process that is started again when it is lost.
func (c *court) serve(ctx context.Context, queue <-chan cmutate.Mutant) {
	var p *process
	for m := range queue {
		c.mu.Lock()
		failed := c.err != nil
		first := slices.Clone(c.killers[m.Function])
		c.mu.Unlock()
		if failed || ctx.Err() != nil {
			continue
		}
		if p == nil {
			var err error
			if p, err = start(ctx, c.argv); err != nil {
				c.mu.Lock()
				c.err = err
				c.mu.Unlock()
				continue
			}
		}
		by, alive := p.judge(m.Number, first)
		if !alive {
			p.kill()
			p = nil
		}
		c.mu.Lock()
		if alive && by != "" && !slices.Contains(first, by) {
			c.killers[m.Function] = append([]string{by}, first[:min(len(first), 12)]...)
		}
		c.tell(Verdict{m, by})
		c.mu.Unlock()
	}
	if p != nil {
		p.kill()
	}
}

// process is a worker.
type process struct {
	cmd      *exec.Cmd
	in       io.Writer
	lines    chan string
	patience time.Duration
	end      context.CancelFunc
}

func start(ctx context.Context, argv []string) (*process, error) {
	ctx, cancel := context.WithCancel(ctx) // which kill calls
	p := &process{cmd: exec.CommandContext(ctx, argv[0], argv[1:]...), lines: make(chan string), end: cancel}
	in, err := p.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.in = in
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	defer func() { p.patience = patience }()
	go func() {
		defer close(p.lines)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			select {
			case p.lines <- lines.Text():
			case <-ctx.Done():
				return
			}
		}
	}()
	p.patience = startTime
	if line, ok := p.read(); !ok || line != "ready" {
		p.kill()
		return nil, fmt.Errorf("%s does not begin to work", strings.Join(argv, " "))
	}
	return p, nil
}

// read returns the next line, unless there is none or it takes too long.
func (p *process) read() (line string, ok bool) {
	select {
	case line, ok = <-p.lines:
		return line, ok
	case <-time.After(p.patience):
		return "", false
	}
}

func (p *process) judge(n int, first []string) (by string, alive bool) {
	if _, err := fmt.Fprintln(p.in, n, strings.Join(first, " ")); err != nil {
		return "dies", false
	}
	line := stillThere
	for ok := true; line == stillThere; {
		if line, ok = p.read(); !ok {
			return "hangs or dies", false
		}
	}
	_, by, _ = strings.Cut(line, " ")
	return by, true
}

func (p *process) kill() {
	p.end()
	_ = p.cmd.Wait()
}
