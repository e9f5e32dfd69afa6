// SPDX-License-Identifier: Apache-2.0

//go:build !race

package waldir

// stride is the distance of the operations that the crash tests try: every one.
const stride = 1
