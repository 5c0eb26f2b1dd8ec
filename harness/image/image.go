// Package image finds and fetches Linux kernels to boot.
package image

// Kind is what sort of thing an image is, which decides what can boot it.
type Kind string

// The kinds of images.
const (
	BZImage Kind = "bzImage" // a kernel for a machine, compressed or not
	UML     Kind = "uml"     // a kernel that is a program
	VNG     Kind = "vng"     // a version that virtme-ng fetches by itself
)

// Image is a kernel that can be booted.
type Image struct {
	Ref     string // the reference it was resolved from
	Kind    Kind
	Release string // as uname -r prints it; may be empty if unknown
	Kernel  string // path of the kernel; for VNG its version
	Modules string // folder of its modules, if it is known before they are asked for
}
