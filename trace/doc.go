// Package trace is a language for system calls and the answers that a kernel
// must give, one statement a line; docs/trace-language.md describes it.
//
// A file that parses names nothing that it does not declare, and prints as it
// was parsed.
package trace
