// Package rtnl answers rtnetlink (rtnetlink(7)) for simulated netkit devices:
// created with all their attributes, listed, changed, moved, deleted, and told
// of to whoever has subscribed. What concerns other devices is left to the
// running kernel, if there is a way to ask it.
//
// Messages are bytes, and the way to a kernel is a function, so that the package
// works, and is tested, on every system.
package rtnl
