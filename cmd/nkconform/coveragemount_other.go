//go:build !linux

package main

import "errors"

func mountDebugFS(string) error { return errors.New("debugfs is Linux's") }
