// Package attr translates between the requests of package mprog and the bytes
// of union bpf_attr, the argument of bpf(2).
//
// One table, [Command.Fields], says where every field is; encoders, decoders
// and whoever explains a request to a human read the same table. Numbers are in
// the byte order of the machine, as the kernel wants them. User-space addresses
// pass through as plain numbers: this package never looks behind one.
package attr
