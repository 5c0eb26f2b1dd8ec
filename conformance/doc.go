// Package conformance runs scenarios on anything that answers as a kernel: the
// fake, a real kernel, or a library in front of either.
//
// After every step the answer, the whole list, the owning links and the
// revision of every hook that the scenario has touched are compared; what a
// step must not change is compared too.
package conformance
