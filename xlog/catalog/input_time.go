// SPDX-License-Identifier: Apache-2.0

package catalog

import "github.com/walmirror/walmirror/xlog/pgtext"

func inTimestamp(_ *Input, _ *Type, text string) ([]byte, error) {
	micros, err := pgtext.ParseTimestamp(text)
	return little(uint64(micros), 8), err
}

func inTimestampTZ(in *Input, _ *Type, text string) ([]byte, error) {
	micros, err := pgtext.ParseTimestampTZ(text, placeOf(in.Location))
	return little(uint64(micros), 8), err
}

func inDate(_ *Input, _ *Type, text string) ([]byte, error) {
	days, err := pgtext.ParseDate(text)
	return little(uint64(days), 4), err
}
