package main

import (
	"runtime"
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestDescribe(t *testing.T) {
	setting := func(modified string) []debug.BuildSetting {
		return []debug.BuildSetting{
			{Key: "vcs.revision", Value: "5e9a0bb4f1c2d3e4f5a6b7c8d9e0f1a2b3c4d5e6"}, {Key: "vcs.modified", Value: modified},
		}
	}
	system := runtime.GOOS + "/" + runtime.GOARCH
	for _, tc := range []struct {
		version  string
		settings []debug.BuildSetting
		want     string
	}{
		{"v1.2.0", nil, "v1.2.0 (go1.26.0 " + system + ")"}, // go install nkconform@v1.2.0
		{"v1.2.0", setting("false"), "v1.2.0 (5e9a0bb4f1c2; go1.26.0 " + system + ")"},
		{"v1.2.1-0.20260101+dirty", setting("true"), "v1.2.1-0.20260101+dirty (5e9a0bb4f1c2, modified; go1.26.0 " + system + ")"},
		{"", nil, "(devel) (go1.26.0 " + system + ")"}, // a test
	} {
		require.Equal(t, tc.want, describe(&debug.BuildInfo{
			GoVersion: "go1.26.0", Main: debug.Module{Version: tc.version}, Settings: tc.settings,
		}))
	}
}
