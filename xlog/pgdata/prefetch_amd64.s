// SPDX-License-Identifier: Apache-2.0

#include "textflag.h"

// func prefetch(p unsafe.Pointer, lines int)
TEXT ·prefetch(SB), NOSPLIT, $0-16
	MOVQ p+0(FP), DI
	MOVQ lines+8(FP), CX

next:
	PREFETCHT0 (DI)
	ADDQ $64, DI
	DECQ CX
	JGT  next
	RET
