//go:build !page

package html

var embeddedWasm, embeddedExec []byte
