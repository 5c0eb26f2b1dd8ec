package main

import (
	"fmt"
	"os"
	"path/filepath"
)

// save writes the last sequence with the answers of the second backend.
func (f *fuzzer) save(number uint64) error {
	text, err := f.t.Record(f.t.Last(), fmt.Sprintf("# Sequence %d of seed %d.", number, f.o.seed))
	if err != nil {
		return err
	}
	if err := os.MkdirAll(f.o.save, 0o755); err != nil {
		return fmt.Errorf("save: %w", err)
	}
	return replace(filepath.Join(f.o.save, fmt.Sprintf("%d-%03d.trace", f.o.seed, number)), text)
}
