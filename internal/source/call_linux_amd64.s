#include "textflag.h"

// func callOn(function, stack, a, b uintptr)
//
// What C keeps for its caller holds Go's stack meanwhile. Signals have a stack of
// their own, and the scheduler does not stop a goroutine outside of Go's code.
TEXT ·callOn(SB), NOSPLIT, $0-32
	MOVQ function+0(FP), AX
	MOVQ stack+8(FP), BX
	MOVQ a+16(FP), DI
	MOVQ b+24(FP), SI
	MOVQ SP, R12
	MOVQ BX, SP
	CALL AX
	MOVQ R12, SP
	RET
