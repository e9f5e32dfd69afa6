// SPDX-License-Identifier: Apache-2.0

//go:build race

package waldir

// stride leaves out operations under the race detector, which makes each of them many times as expensive.
const stride = 7
