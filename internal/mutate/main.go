// Command mutate measures the suite: it puts one small defect after the other
// into the fake (conditions, bounds, errnos, order of checks) and runs the
// suite on it. A mutant that the suite does not notice must stand, with the
// reason, in the file of known survivors, and a known survivor must survive.
//
// Run it with the folder of the repository as the current one.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
)

// fate is what became of a mutant.
type fate int

const (
	killed   fate = iota
	survived      // the suite passes
	invalid       // it does not compile
)

func main() {
	verbose := flag.Bool("v", false, "name what killed each mutant")
	jobs := flag.Int("j", runtime.NumCPU(), "mutants at once")
	known := flag.String("known", "internal/mutate/survivors.txt", "file of known survivors")
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "usage: mutate [flags] FILE...\n\nexample: go run ./internal/mutate fake/mprog.go")
		flag.PrintDefaults()
	}
	flag.Parse()
	if err := run(flag.Args(), *known, *jobs, *verbose); err != nil {
		fmt.Fprintln(os.Stderr, "mutate:", err)
		os.Exit(1)
	}
}

func run(files []string, known string, jobs int, verbose bool) error {
	reasons, err := readSurvivors(known)
	if err != nil {
		return err
	}
	var all []mutant
	for _, f := range files {
		list, err := mutants(f)
		if err != nil {
			return err
		}
		all = append(all, list...)
	}
	if len(all) == 0 {
		return errors.New("no mutants: name the files to mutate")
	}
	if out, err := exec.Command("go", "run", "./internal/mutate/suite").CombinedOutput(); err != nil {
		return fmt.Errorf("the suite does not pass without a mutant: %w\n%s", err, out)
	}
	dir, err := os.MkdirTemp("", "mutate-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)

	var (
		mu     sync.Mutex
		wg     sync.WaitGroup
		counts [3]int
		fresh  []string
		errs   []error
		slots  = make(chan int, jobs)
	)
	for i := range jobs {
		slots <- i
	}
	for _, m := range all {
		slot := <-slots
		wg.Go(func() {
			f, by, err := judge(m, filepath.Join(dir, fmt.Sprint(slot)))
			mu.Lock()
			defer mu.Unlock()
			slots <- slot
			errs = append(errs, err)
			counts[f]++
			_, listed := reasons[m.key()]
			switch {
			case f == survived && !listed:
				fresh = append(fresh, m.String())
			case f == killed && listed:
				errs = append(errs, fmt.Errorf("known survivor is killed by %s: %s", by, m))
			}
			if verbose && f == killed {
				fmt.Printf("%s\n    killed by %s\n", m, by)
			}
		})
	}
	wg.Wait()

	slices.Sort(fresh)
	for _, s := range fresh {
		fmt.Println("survives:", s)
	}
	valid := counts[killed] + counts[survived]
	fmt.Printf("%d mutants, %d killed (%.1f %%), %d survive for a known reason, %d survive; %d do not compile\n",
		valid, counts[killed], 100*float64(counts[killed])/float64(max(1, valid)),
		counts[survived]-len(fresh), len(fresh), counts[invalid])
	if len(fresh) > 0 {
		errs = append(errs, errors.New("the suite lets mutants survive"))
	}
	return errors.Join(errs...)
}

// judge builds the suite with the mutant and runs it.
func judge(m mutant, dir string) (fate, string, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return 0, "", err
	}
	abs, err := filepath.Abs(m.file)
	if err != nil {
		return 0, "", err
	}
	source, overlay, bin := filepath.Join(dir, "mutant.go"), filepath.Join(dir, "overlay.json"), filepath.Join(dir, "suite")
	replace, err := json.Marshal(map[string]any{"Replace": map[string]string{abs: source}})
	if err != nil {
		return 0, "", err
	}
	if err := errors.Join(os.WriteFile(source, []byte(m.source), 0o644), os.WriteFile(overlay, replace, 0o644)); err != nil {
		return 0, "", err
	}
	if exec.Command("go", "build", "-overlay", overlay, "-o", bin, "./internal/mutate/suite").Run() != nil {
		return invalid, "", nil
	}
	out, err := exec.Command(bin).Output()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok && exit.ExitCode() == 1 {
		return killed, strings.TrimSpace(string(out)), nil
	}
	if err != nil { // crashed
		return killed, err.Error(), nil
	}
	return survived, "", nil
}

// readSurvivors reads lines "key  # reason".
func readSurvivors(file string) (map[string]string, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	reasons := map[string]string{}
	for i, line := range strings.Split(string(text), "\n") {
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		key, reason, ok := strings.Cut(line, "  # ")
		if !ok || reason == "" {
			return nil, fmt.Errorf("%s:%d: expected a mutant, two spaces, # and the reason why it may survive", file, i+1)
		}
		reasons[key] = reason
	}
	return reasons, nil
}
