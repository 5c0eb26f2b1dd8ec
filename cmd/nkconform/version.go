package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

// version tells which build this is, in a line, from what the build itself has
// recorded: "v1.2.0 (5e9a0bb4f1c2, modified; go1.26.0 linux/amd64)".
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		info = new(debug.BuildInfo)
	}
	return describe(info)
}

func describe(info *debug.BuildInfo) string {
	name, revision, modified := info.Main.Version, "", ""
	if name == "" {
		name = "(devel)"
	}
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			revision = s.Value[:min(12, len(s.Value))]
		case s.Key == "vcs.modified" && s.Value == "true":
			modified = ", modified"
		}
	}
	if revision != "" {
		revision += modified + "; "
	}
	return fmt.Sprintf("%s (%s%s %s/%s)", name, revision, info.GoVersion, runtime.GOOS, runtime.GOARCH)
}
