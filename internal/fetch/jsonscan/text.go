package jsonscan

import (
	"bytes"
	"encoding/json"
	"slices"
	"unicode/utf8"
)

// number returns the state after c within a number, or false if c does not
// belong to it.
func number(st state, c byte) (state, bool) {
	digit := c >= '0' && c <= '9'
	switch st {
	case sNeg:
		if c == '0' {
			return sZero, true
		}
		return sInt, digit
	case sZero, sInt:
		if digit && st == sInt {
			return sInt, true
		}
		if c == '.' {
			return sDot, true
		}
		return sE, c == 'e' || c == 'E'
	case sDot:
		return sFrac, digit
	case sFrac:
		if digit {
			return sFrac, true
		}
		return sE, c == 'e' || c == 'E'
	case sE:
		if c == '+' || c == '-' {
			return sESign, true
		}
		return sExp, digit
	default: // sESign, sExp
		return sExp, digit
	}
}

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

// unquote appends the text of a JSON string, given without its quotes, to dst.
// As in encoding/json, U+FFFD takes the place of invalid UTF-8.
func unquote(dst, s []byte) []byte {
	if bytes.IndexByte(s, '\\') < 0 && utf8.Valid(s) {
		return append(dst, s...)
	}
	var text string
	_ = json.Unmarshal(slices.Concat([]byte{'"'}, s, []byte{'"'}), &text) // it was scanned
	return append(dst, text...)
}
