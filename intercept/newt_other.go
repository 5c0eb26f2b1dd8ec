//go:build !linux || (!amd64 && !arm64)

package intercept

import "github.com/nkconform/nkconform/fake"

func holding() bool { return false }

func takeHold() error { return nil }

func awaitEnd(int) {}

func hold(TB, *func(func())) func(*fake.Machine) (fake.Remote, error) { return nil }
