package jsonscan

import (
	"bytes"
	"unicode/utf16"
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
// Like encoding/json it puts U+FFFD in place of invalid UTF-8.
func unquote(dst, s []byte) []byte {
	if bytes.IndexByte(s, '\\') < 0 && utf8.Valid(s) {
		return append(dst, s...)
	}
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case c == '\\' && i+1 < len(s):
			i += 2
			switch c = s[i-1]; c {
			case 'b':
				dst = append(dst, '\b')
			case 'f':
				dst = append(dst, '\f')
			case 'n':
				dst = append(dst, '\n')
			case 'r':
				dst = append(dst, '\r')
			case 't':
				dst = append(dst, '\t')
			case 'u':
				r := hex4(s, i)
				i += 4
				if utf16.IsSurrogate(r) {
					low := rune(-1)
					if i+6 <= len(s) && s[i] == '\\' && s[i+1] == 'u' {
						low = hex4(s, i+2)
					}
					if d := utf16.DecodeRune(r, low); d != utf8.RuneError {
						r = d
						i += 6
					} else {
						r = utf8.RuneError
					}
				}
				dst = utf8.AppendRune(dst, r)
			default:
				dst = append(dst, c)
			}
		case c < utf8.RuneSelf:
			dst = append(dst, c)
			i++
		default:
			r, n := utf8.DecodeRune(s[i:])
			dst = utf8.AppendRune(dst, r)
			i += n
		}
	}
	return dst
}

func hex4(s []byte, i int) (r rune) {
	for _, c := range s[i:min(i+4, len(s))] {
		switch {
		case c <= '9':
			c -= '0'
		case c >= 'a':
			c -= 'a' - 10
		default:
			c -= 'A' - 10
		}
		r = r<<4 | rune(c)
	}
	return r
}
