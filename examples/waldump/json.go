// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"unicode"

	"github.com/walmirror/walmirror/xlog"
)

// jsonRecord is the form of a record with --json. The names are stable.
type jsonRecord struct {
	LSN         string          `json:"lsn"`
	End         string          `json:"end"`
	Prev        string          `json:"prev"`
	Timeline    uint32          `json:"timeline"`
	XID         uint32          `json:"xid"`
	Rmgr        string          `json:"rmgr"`
	Record      string          `json:"record"`
	Description string          `json:"description"`
	Len         uint32          `json:"len"`
	TotalLen    uint32          `json:"total_len"`
	Origin      uint16          `json:"origin,omitempty"`
	TopXID      uint32          `json:"top_xid,omitempty"`
	Blocks      []jsonBlock     `json:"blocks"`
	Data        json.RawMessage `json:"data"`
}

type jsonBlock struct {
	ID       uint8      `json:"id"`
	Rel      string     `json:"rel"`
	Fork     string     `json:"fork"`
	Block    uint32     `json:"block"`
	DataLen  int        `json:"data_len"`
	WillInit bool       `json:"will_init"`
	FPW      *jsonImage `json:"fpw,omitempty"`
}

type jsonImage struct {
	Len         int    `json:"len"`
	HoleOffset  uint16 `json:"hole_offset"`
	HoleLength  uint16 `json:"hole_length"`
	Compression string `json:"compression"`
	Apply       bool   `json:"apply"`
}

// appendJSON appends a record as a line.
func (s *sink) appendJSON(dst []byte, rec *xlog.Record) ([]byte, error) {
	payload, err := s.dec.Decode(rec)
	if err != nil {
		return dst, err
	}
	body := s.dec.Body()
	line, err := json.Marshal(jsonRecord{
		LSN: rec.LSN.String(), End: rec.End.String(), Prev: rec.Prev.String(), Timeline: uint32(rec.Timeline), XID: rec.XID,
		Rmgr: s.dec.RmgrName(rec.Rmgr), Record: s.dec.Name(rec.Rmgr, rec.Info),
		Description: string(payload.Describe(nil, &s.dec.Printing)),
		Len:         rec.TotalLen - body.ImageBytes(), TotalLen: rec.TotalLen, Origin: body.Origin, TopXID: body.TopXID,
		Blocks: jsonBlocks(body), Data: appendValue(nil, reflect.ValueOf(payload)),
	})
	return append(append(dst, line...), '\n'), err
}

func jsonBlocks(body *xlog.Body) []jsonBlock {
	list := []jsonBlock{}
	for i := range body.Blocks {
		b := &body.Blocks[i]
		j := jsonBlock{
			ID: b.ID, Rel: b.Rel.String(), Fork: b.Fork.String(), Block: b.Block, DataLen: len(b.Data),
			WillInit: b.Flags&xlog.BlockWillInit != 0,
		}
		if img := &b.Image; b.HasImage() {
			j.FPW = &jsonImage{len(img.Data), img.HoleOffset, img.HoleLength, img.Compression.String(), img.Apply}
		}
		list = append(list, j)
	}
	return list
}

var stringer = reflect.TypeFor[fmt.Stringer]()

// appendValue appends any value of a payload. Structs become objects with snake_case names, arrays over a record's bytes
// (which have Len and At) lists, and other bytes hexadecimal.
func appendValue(dst []byte, v reflect.Value) []byte {
	length, at := v.MethodByName("Len"), v.MethodByName("At")
	if v.Kind() == reflect.Slice && at.IsValid() && length.IsValid() {
		return appendList(dst, int(length.Call(nil)[0].Int()), func(i int) reflect.Value {
			return at.Call([]reflect.Value{reflect.ValueOf(i)})[0]
		})
	}
	if v.Type().Implements(stringer) && v.Kind() != reflect.Pointer && v.Kind() != reflect.Interface {
		return strconv.AppendQuote(dst, fmt.Sprint(v.Interface()))
	}
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			return append(dst, "null"...)
		}
		return appendValue(dst, v.Elem())
	case reflect.Struct:
		return append(appendFields(append(dst, '{'), v), '}')
	case reflect.Slice, reflect.Array:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return strconv.AppendQuote(dst, hex.EncodeToString(bytesOf(v)))
		}
		return appendList(dst, v.Len(), v.Index)
	}
	text, err := json.Marshal(v.Interface())
	if err != nil {
		return append(dst, "null"...)
	}
	return append(dst, text...)
}

func bytesOf(v reflect.Value) []byte {
	b := make([]byte, v.Len())
	reflect.Copy(reflect.ValueOf(b), v)
	return b
}

func appendList(dst []byte, n int, at func(int) reflect.Value) []byte {
	dst = append(dst, '[')
	for i := range n {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendValue(dst, at(i))
	}
	return append(dst, ']')
}

// appendFields appends the exported fields of a struct, those of embedded structs among them.
func appendFields(dst []byte, v reflect.Value) []byte {
	for i := range v.NumField() {
		field := v.Type().Field(i)
		if !field.IsExported() {
			continue
		}
		if field.Anonymous && field.Type.Kind() == reflect.Struct {
			dst = appendFields(dst, v.Field(i))
			continue
		}
		if dst[len(dst)-1] != '{' {
			dst = append(dst, ',')
		}
		dst = append(strconv.AppendQuote(dst, snakeCase(field.Name)), ':')
		dst = appendValue(dst, v.Field(i))
	}
	return dst
}

// snakeCase turns OldestXID into oldest_xid.
func snakeCase(name string) string {
	var b strings.Builder
	runes := []rune(name)
	for i, r := range runes {
		boundary := i > 0 && unicode.IsUpper(r) &&
			(!unicode.IsUpper(runes[i-1]) || i+1 < len(runes) && unicode.IsLower(runes[i+1]))
		if boundary && !(i+2 == len(runes) && runes[i+1] == 's') { // XIDs is xids
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}
