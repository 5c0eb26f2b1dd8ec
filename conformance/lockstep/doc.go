// Package lockstep performs the same steps on two environments and compares
// what they answer and what state it leaves behind, after every step. Steps are
// made up at random, from a seed or from bytes, or enumerated; the first
// difference is shrunk to a trace that shows it.
package lockstep
