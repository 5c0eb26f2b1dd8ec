// Package explore runs agents against each other in every order of their calls, and
// has them killed, refused or answered wrongly at every moment, on the simulated
// kernel: for bugs that are not wrong calls but wrong moments.
//
//	explore.Test(t, func(w *explore.World) {
//		nk0 := w.Netkit("nk0", "nk1")
//		w.Agent("ours", func(k mprog.Kernel) error { return upsert(k, nk0) }, explore.Crash(1), explore.Restart())
//		w.Agent("theirs", func(k mprog.Kernel) error { return firstInLine(k, nk0) })
//		w.OnceHeld("never a gap", func(s explore.State) error { … })
//		w.Finally("one of ours, in front", func(s explore.State) error { … })
//	})
//
// Each agent is a process of its own, and a function: the agent's own code, behind an
// [mprog.Kernel]. A finding is the shortest schedule that shrinking comes to, told as a trace, which real
// kernels play, too, and as a string that plays it again.
//
// What is explored, and what is not:
//
//   - Calls are atomic, and agents meet in nothing but the kernel. Between two calls
//     of an agent anything may happen; how long it takes for itself is left open, so that time orders nothing between agents.
//   - An agent's time is that of a bubble of testing/synctest: it passes only while all goroutines
//     of the agent wait, and none of them for an answer.
//   - Goroutines of an agent are let go on in every order, too. One that panics by itself
//     ends the test program, as nobody can recover from that.
//   - Ids of programs and links are the agents' own, and in no order that means anything.
//   - States are told apart by hashes of 128 bits together.
package explore
