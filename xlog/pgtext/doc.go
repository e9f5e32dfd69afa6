// SPDX-License-Identifier: Apache-2.0

// Package pgtext writes and reads the text of values as the server does, with the settings DateStyle ISO, IntervalStyle
// postgres and extra_float_digits 1. It knows values, not how they are stored. What is written here has no locale.
package pgtext
