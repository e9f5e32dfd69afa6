// SPDX-License-Identifier: Apache-2.0

package walsender

// answerTLS answers an SSLRequest.
func (c *session) answerTLS() error {
	_, err := c.write([]byte{'N'})
	return err
}
