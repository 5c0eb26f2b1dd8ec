/*
 * An object file of four programs for libbpf to load, one for each attach type:
 * bpf_program__attach_netkit and bpf_program__attach_tcx take a program of an
 * object, and nothing else. Each returns 0. Assembled for any machine with 64
 * bits and little endian; build.sh makes it an object of BPF.
 */
	.macro program name, section
	.section "\section", "ax"
	.globl \name
	.type \name, @function
\name:
	.byte 0xb7, 0, 0, 0, 0, 0, 0, 0	/* r0 = 0 */
	.byte 0x95, 0, 0, 0, 0, 0, 0, 0	/* exit */
	.size \name, . - \name
	.endm

	program primary, "netkit/primary"
	program peer, "netkit/peer"
	program ingress, "tcx/ingress"
	program egress, "tcx/egress"

	.section "license", "aw"
	.type _license, @object
_license:
	.asciz "GPL"
	.size _license, 4
