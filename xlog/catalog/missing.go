// SPDX-License-Identifier: Apache-2.0

package catalog

import "fmt"

// missingValue is the value of a column that a tuple does not have: it is older than the column (getmissingattr in
// src/backend/access/common/heaptuple.c).
func (c *Column) missingValue() ([]byte, error) {
	if c.missing == nil {
		return nil, nil
	}
	elements, err := arrayElements(c.missing, &c.Type)
	if err != nil {
		return nil, err
	}
	if len(elements) != 1 || elements[0].Null {
		return nil, fmt.Errorf("%w: attmissingval of column %s has %d elements", ErrValue, c.Name, len(elements))
	}
	return elements[0].Raw, nil
}
