// SPDX-License-Identifier: Apache-2.0

package redo

import (
	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/rmgr"
)

// Observer is told of every record before and after it is applied, by the goroutine that Redo belongs to. It may read
// pages and transactions, and must not change them. What it was given is valid during the call.
type Observer interface {
	// Before is called when everything before the record was applied.
	Before(o *Observed)
	// After is called when the record was applied.
	After(o *Observed)
}

// Observed is a record that an Observer is told of.
type Observed struct {
	Record  *xlog.Record
	Body    *xlog.Body
	Payload rmgr.Payload
}

// Observe has o told of the records from the next one on; nil ends it. It is called by the goroutine that Redo belongs to,
// or in View.
func (r *Redo) Observe(o Observer) { r.observer = o }

// observed applies a record between the calls of the observer, each of which is to the store as a record of its own.
func (r *Redo) observed(payload rmgr.Payload) error {
	if r.observer == nil {
		return r.apply(payload)
	}
	observer, o := r.observer, Observed{Record: r.rec, Body: r.body, Payload: payload}
	observer.Before(&o)
	r.store.Begin()
	if err := r.apply(payload); err != nil {
		return err
	}
	r.store.Begin()
	observer.After(&o)
	return nil
}
