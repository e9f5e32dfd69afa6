// SPDX-License-Identifier: Apache-2.0

package protocol

// CommandTexts is every text that the tests of Parse read.
func CommandTexts() []string {
	var texts []string
	for _, tt := range parseTests {
		texts = append(texts, tt.text)
	}
	for _, tt := range formatTests {
		for _, text := range tt.text {
			if text != "-" {
				texts = append(texts, text)
			}
		}
	}
	return texts
}
