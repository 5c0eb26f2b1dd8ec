//go:build page

package html

import _ "embed"

// What internal/page/pack has made: programs that are built with the tag page carry it.
var (
	//go:embed kernel/kernel.wasm.gz
	embeddedWasm []byte
	//go:embed kernel/wasm_exec.js
	embeddedExec []byte
)
