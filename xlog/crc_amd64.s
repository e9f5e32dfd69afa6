// SPDX-License-Identifier: Apache-2.0

#include "textflag.h"

// func hasCRC32() bool
//
// Bit 20 of ECX of CPUID leaf 1 is SSE 4.2, which has the instruction.
TEXT ·hasCRC32(SB), NOSPLIT, $0-1
	MOVL $1, AX
	XORL CX, CX
	CPUID
	SHRL $20, CX
	ANDL $1, CX
	MOVB CX, ret+0(FP)
	RET

// func recordCRC(raw *byte, n int) uint32
//
// The payload goes by in words of 8 bytes, and its last 0 to 7 bytes without a branch: they are brought to the high end
// of a word whose other bytes are zero, which a checksum of zero passes over.
TEXT ·recordCRC(SB), NOSPLIT, $0-20
	MOVQ raw+0(FP), DI
	MOVQ n+8(FP), DX
	LEAQ 24(DI), SI
	SUBQ $24, DX
	MOVL $0xFFFFFFFF, AX

	SUBQ $32, DX
	JLT  words

blocks:
	CRC32Q (SI), AX
	CRC32Q 8(SI), AX
	CRC32Q 16(SI), AX
	CRC32Q 24(SI), AX
	ADDQ   $32, SI
	SUBQ   $32, DX
	JGE    blocks

words:
	ADDQ $24, DX
	JLT  tail

word:
	CRC32Q (SI), AX
	ADDQ   $8, SI
	SUBQ   $8, DX
	JGE    word

tail:
	// DX is the bytes left less 8, so this word ends where the record does; there is a header before it to read.
	MOVQ   (SI)(DX*1), R8
	MOVL   AX, R9
	LEAQ   8(DX), CX
	SHLQ   $3, CX       // bits left
	MOVQ   R9, R10
	SHRQ   CX, R10      // of the checksum so far, what those bytes do not reach
	NEGQ   CX
	ADDQ   $64, CX      // bits of the word that are not left: 8 to 64
	SHRQ   $1, CX       // in two steps, for a shift by 64 would be none
	SHRQ   CX, R8
	SHRQ   CX, R8
	XORQ   R9, R8
	SHLQ   CX, R8
	SHLQ   CX, R8
	XORL   AX, AX
	CRC32Q R8, AX
	XORL   R10, AX

	CRC32Q (DI), AX
	CRC32Q 8(DI), AX
	CRC32L 16(DI), AX
	NOTL   AX
	MOVL   AX, ret+16(FP)
	RET
