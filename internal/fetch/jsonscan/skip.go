package jsonscan

import (
	"encoding/binary"
	"math/bits"
)

// Eight bytes are looked at in one word. A byte's high bit in a result says
// that the byte differs from the wanted one; gather then collects the
// eight high bits into the top byte.
const (
	ones   = 0x0101010101010101
	low7   = 0x7f * ones
	high   = 0x80 * ones
	gather = 0x0002040810204081

	quotes      = '"' * ones
	backslashes = '\\' * ones
	// The four brackets have these bits in common; so have 'Y', 'y', '_' and
	// DEL, which valid JSON has only in strings.
	brackets = 0x59 * ones
	fill     = low7 &^ brackets
)

// differs marks the bytes of w that are not those of pattern, which is ASCII.
func differs(w, pattern uint64) uint64 {
	return ((w&low7 ^ pattern) + low7 | w) & high
}

// noBracket marks the bytes of w that are not brackets.
func noBracket(w uint64) uint64 {
	return ((w&brackets ^ brackets) + low7 | w) & high
}

// escaped returns which of 64 bytes are escaped by a backslash before them,
// given the mask of backslashes and whether the first byte is escaped already,
// and whether the byte after them is.
// The method is that of simdjson (Langdale and Lemire, "Parsing gigabytes of
// JSON per second", section 3.1.1), in its later form with one subtraction.
func escaped(bs, carry uint64) (mask, next uint64) {
	if bs == 0 {
		return carry, 0
	}
	const odd = 0xaaaaaaaaaaaaaaaa
	starts := bs &^ carry
	codes := ((starts<<1 | odd) - starts) ^ odd
	return codes ^ (bs | carry), (codes & bs) >> 63
}

// skip, which is unrolled by hand for speed, consumes p from i on until the
// container at depth s.skipTo+1 is closed, and returns the index after its bracket; or len(p), with s.skipping still
// set, if it lies beyond this chunk.
func (s *Scanner) skip(p []byte, i int) int {
	inStr, esc := s.skipStr, s.skipEsc
	var pad [64]byte
	for i < len(p) {
		n := 64
		var b *[64]byte
		if len(p)-i >= 64 {
			b = (*[64]byte)(p[i:])
		} else {
			n = copy(pad[:], p[i:])
			for j := n; j < 64; j++ {
				pad[j] = ' '
			}
			b = &pad
		}
		w0 := binary.LittleEndian.Uint64(b[0:8])
		w1 := binary.LittleEndian.Uint64(b[8:16])
		w2 := binary.LittleEndian.Uint64(b[16:24])
		w3 := binary.LittleEndian.Uint64(b[24:32])
		w4 := binary.LittleEndian.Uint64(b[32:40])
		w5 := binary.LittleEndian.Uint64(b[40:48])
		w6 := binary.LittleEndian.Uint64(b[48:56])
		w7 := binary.LittleEndian.Uint64(b[56:64])

		// Blocks of ASCII take fewer operations.
		ascii := (w0|w1|w2|w3|w4|w5|w6|w7)&high == 0
		var q, br, slash uint64
		if ascii {
			q = ^(((w0^quotes)+low7)&high*gather>>56 | ((w1^quotes)+low7)&high*gather>>56<<8 |
				((w2^quotes)+low7)&high*gather>>56<<16 | ((w3^quotes)+low7)&high*gather>>56<<24 |
				((w4^quotes)+low7)&high*gather>>56<<32 | ((w5^quotes)+low7)&high*gather>>56<<40 |
				((w6^quotes)+low7)&high*gather>>56<<48 | ((w7^quotes)+low7)&high*gather>>56<<56)
			// All bits but the high one are set of a bracket filled up, so that
			// one more sets that and goes no further.
			br = ((w0|fill)+ones)&high*gather>>56 | ((w1|fill)+ones)&high*gather>>56<<8 |
				((w2|fill)+ones)&high*gather>>56<<16 | ((w3|fill)+ones)&high*gather>>56<<24 |
				((w4|fill)+ones)&high*gather>>56<<32 | ((w5|fill)+ones)&high*gather>>56<<40 |
				((w6|fill)+ones)&high*gather>>56<<48 | ((w7|fill)+ones)&high*gather>>56<<56
			// Set if there is a backslash; a borrow may set it without one.
			slash = (((w0 ^ backslashes) - ones) | ((w1 ^ backslashes) - ones) | ((w2 ^ backslashes) - ones) | ((w3 ^ backslashes) - ones) |
				((w4 ^ backslashes) - ones) | ((w5 ^ backslashes) - ones) | ((w6 ^ backslashes) - ones) | ((w7 ^ backslashes) - ones)) & high
		} else {
			q = ^(differs(w0, quotes)*gather>>56 | differs(w1, quotes)*gather>>56<<8 |
				differs(w2, quotes)*gather>>56<<16 | differs(w3, quotes)*gather>>56<<24 |
				differs(w4, quotes)*gather>>56<<32 | differs(w5, quotes)*gather>>56<<40 |
				differs(w6, quotes)*gather>>56<<48 | differs(w7, quotes)*gather>>56<<56)
			br = ^(noBracket(w0)*gather>>56 | noBracket(w1)*gather>>56<<8 |
				noBracket(w2)*gather>>56<<16 | noBracket(w3)*gather>>56<<24 |
				noBracket(w4)*gather>>56<<32 | noBracket(w5)*gather>>56<<40 |
				noBracket(w6)*gather>>56<<48 | noBracket(w7)*gather>>56<<56)
			slash = (differs(w0, backslashes) & differs(w1, backslashes) & differs(w2, backslashes) & differs(w3, backslashes) &
				differs(w4, backslashes) & differs(w5, backslashes) & differs(w6, backslashes) & differs(w7, backslashes)) ^ high
		}
		if slash|esc != 0 {
			bs := ^(differs(w0, backslashes)*gather>>56 | differs(w1, backslashes)*gather>>56<<8 |
				differs(w2, backslashes)*gather>>56<<16 | differs(w3, backslashes)*gather>>56<<24 |
				differs(w4, backslashes)*gather>>56<<32 | differs(w5, backslashes)*gather>>56<<40 |
				differs(w6, backslashes)*gather>>56<<48 | differs(w7, backslashes)*gather>>56<<56)
			var m uint64
			m, esc = escaped(bs, esc)
			q &^= m
			if n < 64 {
				// The first byte of the padding represents the next chunk's.
				esc = m >> n & 1
			}
		}
		// Between an opening quote and its closing one every bit is set.
		x := q ^ q<<1
		x ^= x << 2
		x ^= x << 4
		x ^= x << 8
		x ^= x << 16
		x ^= x << 32
		x ^= inStr
		inStr = uint64(int64(x) >> 63)

		for br &^= x; br != 0; br &= br - 1 {
			at := bits.TrailingZeros64(br) & 63
			switch c := b[at]; c {
			case '{', '[':
				if !s.push(c) {
					s.fail(i+at, errDeep)
					return len(p)
				}
			case '}', ']':
				if !s.pop(c) {
					s.fail(i+at, "a closing bracket of the wrong kind")
					return len(p)
				}
				if s.depth == s.skipTo {
					s.skipping = false
					return i + at + 1
				}
			default:
				s.fail(i+at, "an unexpected character between values")
				return len(p)
			}
		}
		i += n
	}
	s.skipStr, s.skipEsc = inStr, esc
	return len(p)
}

// stringEnd returns the index in p, from i on, of the first quote, backslash
// or control character, or len(p).
func stringEnd(p []byte, i int) int {
	for len(p)-i >= 8 {
		w := binary.LittleEndian.Uint64(p[i:])
		// Below 0x20: adding 0x60 leaves the high bit of a 7-bit byte clear.
		ctl := (w&low7 + 0x60*ones) | w
		if m := (differs(w, quotes) & differs(w, backslashes) & ctl & high) ^ high; m != 0 {
			return i + bits.TrailingZeros64(m)>>3
		}
		i += 8
	}
	for i < len(p) && p[i] != '"' && p[i] != '\\' && p[i] >= 0x20 {
		i++
	}
	return i
}
