package intercept

import (
	"fmt"
	"os"
)

// interceptedVariable is in the environment of a test program that runs on the
// simulated kernel.
const interceptedVariable = "NKCONFORM_INTERCEPTED"

// Main runs a package's tests on the simulated kernel and ends the process. It
// is for TestMain, where go test cannot be given a wrapper by its flag -exec:
//
//	func TestMain(m *testing.M) { intercept.Main(m, intercept.Options{}) }
//
// The test program is started once more for it. What its packages do while they
// are initialized, the first one does on the running kernel.
func Main(m interface{ Run() int }, o Options) {
	if os.Getenv(interceptedVariable) != "" {
		os.Exit(m.Run())
	}
	self, err := os.Executable()
	status := 2
	if err == nil {
		status, err = Run(o, append(os.Environ(), interceptedVariable+"=1"), self, os.Args[1:]...)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "intercept:", err)
		status = 2
	}
	os.Exit(status)
}
