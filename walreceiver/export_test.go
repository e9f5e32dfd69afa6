// SPDX-License-Identifier: Apache-2.0

package walreceiver

// Direct tells whether the present stream brings log to the sink's files without a copy in memory.
func (r *Receiver) Direct() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.live != nil && r.live.direct != nil
}
