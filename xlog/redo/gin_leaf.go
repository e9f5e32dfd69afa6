// SPDX-License-Identifier: Apache-2.0

package redo

import (
	"errors"
	"fmt"

	"github.com/walmirror/walmirror/xlog/bufpage"
	"github.com/walmirror/walmirror/xlog/rmgr"
)

// ginRecompress changes the segments of a posting tree's leaf, each a posting list (ginRedoRecompress).
func (s *scratch) ginRecompress(page bufpage.Page, actions rmgr.GinRecompress) error {
	o, err := ginOpaqueOf(page)
	if err != nil {
		return err
	}
	if o.flags()&ginData == 0 || o.flags()&ginLeaf == 0 {
		return errors.New("not a leaf of a posting tree")
	}
	if o.flags()&ginCompressed == 0 {
		if err := s.ginCompressPage(page, o); err != nil {
			return err
		}
	}
	n := page.Lower() - ginDataStart
	if n < 0 || n > len(ginDataArea(page)) {
		return errors.New("posting lists reach outside the page")
	}
	if err := s.ginSegments(ginDataArea(page)[:n], actions); err != nil {
		return err
	}
	return setGinLeaf(page, s.item)
}

// ginCompressPage makes a posting list of the item pointers of a leaf from before 9.4.
func (s *scratch) ginCompressPage(page bufpage.Page, o ginOpaque) error {
	area, n := ginDataArea(page), o.maxOff()
	if n*itemPointerSize > len(area) {
		return fmt.Errorf("%d item pointers are too many for a page", n)
	}
	s.numbers, s.item = s.numbers[:0], s.item[:0]
	for i := range n {
		v, err := ginItemNumber(area[i*itemPointerSize:])
		if err != nil {
			return err
		}
		s.numbers = append(s.numbers, v)
	}
	if n > 0 {
		var err error
		if s.item, err = appendGinPosting(s.item, s.numbers); err != nil {
			return err
		}
	}
	o.setFlags(o.flags() | ginCompressed)
	o.setMaxOff(0)
	return setGinLeaf(page, s.item)
}

// ginSegments builds in s.item the segments that the actions make of old.
func (s *scratch) ginSegments(old []byte, actions rmgr.GinRecompress) error {
	s.item = s.item[:0]
	number := 0 // of the first segment of old
	for actions.Len() > 0 {
		var a rmgr.GinSegmentAction
		a, actions = actions.Next()
		for ; number < int(a.Segment); number++ {
			list, rest, err := nextGinPosting(old)
			if err != nil {
				return err
			}
			s.item, old = append(s.item, list...), rest
		}
		if number > int(a.Segment) {
			return fmt.Errorf("action on segment %d behind that on segment %d", a.Segment, number)
		}
		if a.Action == rmgr.GinSegmentInsert {
			s.item = append(s.item, a.Posting...)
			continue
		}
		list, rest, err := nextGinPosting(old)
		if err != nil {
			return err
		}
		if err := s.ginReplaceSegment(list, a); err != nil {
			return err
		}
		old = rest
		number++
	}
	s.item = append(s.item, old...)
	return nil
}

// ginReplaceSegment appends what takes the place of a segment.
func (s *scratch) ginReplaceSegment(list []byte, a rmgr.GinSegmentAction) (err error) {
	switch a.Action {
	case rmgr.GinSegmentReplace:
		s.item = append(s.item, a.Posting...)
	case rmgr.GinSegmentAddItems:
		if s.numbers, err = appendGinItems(s.numbers[:0], list); err != nil {
			return err
		}
		var merged []uint64
		if s.numbers, merged, err = mergeGinItems(s.numbers, a.Items); err != nil {
			return err
		}
		s.item, err = appendGinPosting(s.item, merged)
	}
	return err
}
