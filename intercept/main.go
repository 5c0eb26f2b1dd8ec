package intercept

import (
	"errors"
	"fmt"
	"os"
)

// interceptedVariable is in the environment of a test program that runs on the
// simulated kernel, and of what it starts.
const interceptedVariable = "NKCONFORM_INTERCEPTED"

// heldVariable is there when the program begins, and fd 3 is a socket to who
// answers its calls.
const heldVariable = "NKCONFORM_HELD"

// seeDoctor ends what is said of a machine that cannot do all.
const seeDoctor = "; nkconform doctor exec says what is missing and how to get it"

// Main runs a package's tests on the simulated kernel and ends the process:
//
//	func TestMain(m *testing.M) { intercept.Main(m, intercept.Options{}) }
//
// A test gets a kernel of its own, and gets it into its hand, by [NewT].
//
// The test program is started once more for it. What its packages do while they
// are initialized, the first one does on the running kernel.
func Main(m interface{ Run() int }, o Options) {
	if os.Getenv(interceptedVariable) != "" {
		if err := takeHold(); err != nil {
			fmt.Fprintln(os.Stderr, "intercept:", err)
			os.Exit(2)
		}
		skips, parallel = o.Skip, o.Parallel
		os.Exit(m.Run())
	}
	self, err := os.Executable()
	status := 2
	if err == nil {
		o.held = true
		status, err = Run(o, append(os.Environ(), interceptedVariable+"=1", heldVariable+"=1"), self, os.Args[1:]...)
	}
	if errors.Is(err, ErrUnavailable) && o.Skip {
		notHeld = fmt.Sprintf("no kernel to hold: %v", err)
		os.Exit(m.Run())
	}
	if errors.Is(err, ErrUnavailable) {
		err = fmt.Errorf("%w%s", err, seeDoctor)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "intercept:", err)
		status = 2
	}
	os.Exit(status)
}

// notHeld is why [NewT] skips tests.
var notHeld string

// parallel says that each kernel has namespaces of its own.
var parallel bool

// skips says that [NewT] skips tests where the machine lacks something.
var skips bool
