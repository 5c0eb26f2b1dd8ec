/* stubs.o as bytes of the program. */
	.section .rodata
	.globl stubs, stubs_end
stubs:
	.incbin "stubs.o"
stubs_end:
	.section .note.GNU-stack, "", @progbits
