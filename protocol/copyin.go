// SPDX-License-Identifier: Apache-2.0

package protocol

import (
	"errors"
	"io"
)

// manifestChunk is how much of a manifest goes into one CopyData.
const manifestChunk = 64 << 10

// UploadManifest sends the manifest of an earlier backup, for a BaseBackup with Incremental on the same connection.
func (c *Client) UploadManifest(manifest io.Reader) error {
	if err := c.begin(UploadManifest{}); err != nil {
		return err
	}
	typ, body, err := c.next()
	if err == nil && typ != typeCopyIn {
		err = unexpected(typ)
	}
	if err == nil {
		err = decodeCopyResponse(body)
	}
	if err != nil {
		return c.finish(err)
	}
	readErr, err := c.copyIn(manifest)
	if err != nil {
		return err
	}
	r := resultReader{client: c}
	_, err = r.readAll()
	if err = c.finish(err); readErr != nil {
		return readErr
	}
	return err
}

// copyIn sends what it reads. When reading fails, it tells the server to forget it and returns readErr.
func (c *Client) copyIn(src io.Reader) (readErr, err error) {
	buf := make([]byte, manifestChunk)
	for {
		n, readErr := io.ReadFull(src, buf)
		if n > 0 {
			if err := c.writer.CopyData(buf[:n]); err != nil {
				return nil, err
			}
		}
		switch {
		case readErr == nil:
		case readErr == io.EOF || errors.Is(readErr, io.ErrUnexpectedEOF):
			return nil, c.writer.CopyDone()
		default:
			return readErr, c.writer.Write(typeCopyFail, []byte("cannot read the manifest\x00"), nil)
		}
	}
}
