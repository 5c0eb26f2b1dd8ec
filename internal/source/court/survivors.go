package court

import (
	_ "embed"
	"fmt"
	"os"
	"path"
	"strings"

	"github.com/nkconform/nkconform/internal/source/cmutate"
)

// Known are mutants that are known to survive, and functions that are left out.
type Known struct {
	LeftOut map[string]bool
	rows    []row
}

// Gap begins the reason of a survivor that a caller could see.
const Gap = "gap: "

type row struct{ pattern, reason string }

//go:embed survivors.txt
var builtIn string

// Survivors reads a list: of lines KEY = REASON, where a star in the key stands for anything,
// and of lines FUNCTION: left out = REASON. "" is the list of this program.
func Survivors(file string) (*Known, error) {
	text := builtIn
	if file != "" {
		b, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("known survivors: %w", err)
		}
		text = string(b)
	}
	k := &Known{LeftOut: map[string]bool{}}
	n := 0
	for line := range strings.Lines(text) {
		n++
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		key, reason, ok := strings.Cut(line, " = ")
		if !ok || reason == "" {
			return nil, fmt.Errorf("known survivors, line %d: expected KEY = REASON", n)
		}
		if function, out := strings.CutSuffix(key, ": left out"); out {
			k.LeftOut[function] = true
			continue
		}
		if _, err := path.Match(pattern(key), ""); err != nil {
			return nil, fmt.Errorf("known survivors, line %d: %w", n, err)
		}
		k.rows = append(k.rows, row{pattern(key), reason})
	}
	return k, nil
}

// pattern is a key for path.Match: nothing but the star is special.
func pattern(key string) string {
	return strings.NewReplacer(`\`, `\\`, "?", `\?`, "[", `\[`, "/", "\x00").Replace(key)
}

// Reason tells why a mutant survives, if it is known to.
func (k *Known) Reason(m cmutate.Mutant) (reason string, ok bool) {
	key := strings.ReplaceAll(m.Key(), "/", "\x00")
	for _, r := range k.rows {
		if ok, _ := path.Match(r.pattern, key); ok {
			return r.reason, true
		}
	}
	return "", false
}
