//go:build linux

package cni

import (
	"testing"

	"github.com/nkconform/nkconform/intercept"
)

func TestMain(m *testing.M) { intercept.Main(m, intercept.Options{Skip: true}) }
