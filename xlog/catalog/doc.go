// SPDX-License-Identifier: Apache-2.0

// Package catalog reads the catalogs in a data directory.
package catalog
