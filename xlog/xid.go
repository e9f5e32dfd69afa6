// SPDX-License-Identifier: Apache-2.0

package xlog

// FirstNormalXID is the first id that a transaction can have; those below it mark tuples that need none
// (FirstNormalTransactionId in src/include/access/transam.h).
const FirstNormalXID = 3
