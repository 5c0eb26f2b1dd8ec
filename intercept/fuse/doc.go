// Package fuse is a small server of the kernel's FUSE protocol
// (include/uapi/linux/fuse.h, 7.31), for file systems that are a tree of nodes in
// memory: files whose contents are made when they are opened, files that take what is
// written to them, folders in which folders can be made.
//
// The kernel keeps all attributes for ever, so that it asks for none of an open
// file.
package fuse
