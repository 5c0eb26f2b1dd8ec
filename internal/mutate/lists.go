package main

import (
	"fmt"
	"os"
	"strings"
)

// readList reads lines "key  # reason".
func readList(path string) (map[string]string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	reasons := map[string]string{}
	for i, line := range strings.Split(string(text), "\n") {
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		key, reason, ok := strings.Cut(line, "  # ")
		if !ok || reason == "" || reasons[key] != "" {
			return nil, fmt.Errorf("%s:%d: expected what it is about, once, then two spaces, # and the reason", path, i+1)
		}
		reasons[key] = reason
	}
	return reasons, nil
}
