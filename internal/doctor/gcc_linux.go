//go:build amd64 || arm64

package doctor

import (
	"os/exec"
	"strings"
)

// tryGCC compiles and links a program, which takes the C library's headers, too.
func tryGCC() (string, error) {
	version, err := Program("gcc", "gcc", "libc6-dev")()
	if err != nil {
		return "", err
	}
	c := exec.Command("gcc", "-x", "c", "-o", "/dev/null", "-")
	c.Stdin = strings.NewReader("#include <stdio.h>\nint main(void) { return puts(\"\"); }\n")
	if text, err := c.CombinedOutput(); err != nil {
		line, _, _ := strings.Cut(string(text), "\n")
		return "", &Missing{"gcc does not link programs: " + line, Install("libc6-dev")}
	}
	return version, nil
}
