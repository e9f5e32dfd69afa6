// SPDX-License-Identifier: Apache-2.0

package bufpage

// HeapHeaderSize is SizeofHeapTupleHeader, without the null bitmap and padding behind it.
const HeapHeaderSize = 23
