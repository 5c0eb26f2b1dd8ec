// Package machine interprets programs of BPF: all instructions, maps, calls of
// own functions and callbacks, tail calls and the helpers of packet programs.
//
// There is no verifier, so that nothing is taken for granted: what a program may
// not touch ends it with an error, and so does an endless loop.
package machine
