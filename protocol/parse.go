// SPDX-License-Identifier: Apache-2.0

package protocol

const maxIdentifier = 63 // NAMEDATALEN - 1
