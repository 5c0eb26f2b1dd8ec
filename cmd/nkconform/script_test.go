package main

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/nkconform/nkconform/internal/doctor"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"nkconform": main, "ask": ask})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata", Condition: condition})
}

// condition is [can:tun]: that the machine can do what the check tun of doctor tries.
func condition(c string) (bool, error) {
	name, ok := strings.CutPrefix(c, "can:")
	if !ok {
		return false, fmt.Errorf("condition %q: expected can:CHECK", c)
	}
	err := doctor.Can(name)
	if errors.Is(err, doctor.ErrUnknown) {
		return false, err
	}
	return err == nil, nil
}
