package jsonorder

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"strconv"
	"strings"
)

// SyntaxError tells where a text stops being JSON.
type SyntaxError struct {
	// Line and Column count from 1, Column in bytes.
	Line, Column int
	Msg          string
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("not JSON: line %d, column %d: %s", e.Line, e.Column, e.Msg)
}

// maxDepth bounds how deeply values are nested.
const maxDepth = 200

// Parse reads one JSON value. The error is a [*SyntaxError].
func Parse(data []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	v, err := value(d, 0)
	if err == nil {
		if _, err = d.Token(); errors.Is(err, io.EOF) {
			return v, nil
		}
		err = errors.New("there is more after the value")
	}
	at := d.InputOffset()
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err, at = errors.New("the text ends too early"), int64(len(data))
	}
	before := data[:min(at, int64(len(data)))]
	return nil, &SyntaxError{
		Line: bytes.Count(before, []byte("\n")) + 1, Column: len(before) - bytes.LastIndexByte(before, '\n'), Msg: err.Error(),
	}
}

// ParseObject is [Parse] for a text that holds an object.
func ParseObject(data []byte) (*Object, error) {
	v, err := Parse(data)
	if err != nil {
		return nil, err
	}
	o, ok := v.(*Object)
	if !ok {
		return nil, &SyntaxError{Line: 1, Column: 1, Msg: "an object is expected"}
	}
	return o, nil
}

// value reads the next value.
func value(d *json.Decoder, depth int) (any, error) {
	token, err := d.Token()
	if err != nil {
		return nil, err
	}
	if depth > maxDepth {
		return nil, errors.New("nested too deeply")
	}
	switch t := token.(type) {
	case json.Number:
		return number(t.String())
	case json.Delim:
		list, o := []any{}, &Object{}
		for d.More() {
			key := token
			if t == '{' {
				if key, err = d.Token(); err != nil {
					return nil, err
				}
			}
			v, err := value(d, depth+1)
			if err != nil {
				return nil, err
			}
			if name, ok := key.(string); ok {
				o.Set(name, v)
			} else {
				list = append(list, v)
			}
		}
		if _, err := d.Token(); err != nil { // the closing bracket
			return nil, err
		}
		if t == '{' {
			return o, nil
		}
		return list, nil
	}
	return token, nil // nil, a bool or a string
}

func number(s string) (any, error) {
	if strings.ContainsAny(s, ".eE") {
		return strconv.ParseFloat(s, 64)
	}
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return n, nil
	}
	n, ok := new(big.Int).SetString(s, 10)
	if !ok {
		return nil, errors.New("an invalid number")
	}
	return n, nil
}
