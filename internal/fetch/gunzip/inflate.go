package gunzip

import (
	"encoding/binary"
	"math/bits"
)

// The tables that decode Huffman codes. The next bits of the input, as many as
// a table's first level has, index it; longer codes go on in a second level
// behind it. An entry says:
//
//	bits 0-4   how many bits of input it takes
//	bits 8-12  how many extra bits follow; of a link, how many index the next level
//	bits 16-30 the literal, the base of a length or distance, or where the next level begins
//	bit 31     a literal
//	bits 5-7   what else it is
const (
	litBits  = 11
	distBits = 9

	isLiteral = 1 << 31
	isLink    = 1 << 5
	isEnd     = 1 << 6
	isBad     = 1 << 7

	maxCode = 15
)

// A second level is as wide as the longest code asks for; 286 codes make 140 of
// 16 entries at most, 30 make 15 of 64. The sizes are powers of two, so that a
// mask takes the place of a check.
type (
	litTable  [8192]uint32
	distTable [2048]uint32
)

var (
	lengthBase  = [29]uint16{3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258}
	lengthExtra = [29]uint8{0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0}
	distBase    = [30]uint16{1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577}
	distExtra   = [30]uint8{0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13}
	// codeOrder is the order in which the lengths of the code of lengths come.
	codeOrder = [19]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}
)

func litEntry(sym int) uint32 {
	switch {
	case sym < 256:
		return isLiteral | uint32(sym)<<16
	case sym == 256:
		return isEnd
	case sym < 286:
		return uint32(lengthBase[sym-257])<<16 | uint32(lengthExtra[sym-257])<<8
	}
	return isBad
}

func distEntry(sym int) uint32 {
	if sym < 30 {
		return uint32(distBase[sym])<<16 | uint32(distExtra[sym])<<8
	}
	return isBad
}

func codeEntry(sym int) uint32 { return uint32(sym) << 16 }

// build fills a table whose first level has first bits from the lengths of the
// codes. It refuses codes that are over-subscribed, and incomplete ones except
// a single code of one bit, as zlib does. No code at all is good until one is
// needed.
func build(table []uint32, first int, lengths []uint8, entry func(int) uint32) bool {
	var count [maxCode + 1]int
	longest := 0
	for _, n := range lengths {
		count[n]++
		longest = max(longest, int(n))
	}
	count[0] = 0
	for i := range table[:1<<first] {
		table[i] = isBad
	}
	if longest == 0 {
		return true
	}
	var next [maxCode + 2]int
	code := 0
	for n := 1; n <= longest; n++ {
		code <<= 1
		next[n] = code
		code += count[n]
	}
	if code != 1<<longest && (code != 1 || longest != 1) {
		return false
	}
	free := 1 << first // where the next second level goes
	for sym, l := range lengths {
		n := int(l)
		if n == 0 {
			continue
		}
		// The input has a code's first bit lowest.
		rev := int(bits.Reverse16(uint16(next[n])) >> (16 - n))
		next[n]++
		e := entry(sym)
		if n <= first {
			for i := rev; i < 1<<first; i += 1 << n {
				table[i] = e | uint32(n)
			}
			continue
		}
		low := rev & (1<<first - 1)
		link := table[low]
		if link&isLink == 0 {
			sub := longest - first
			link = uint32(free)<<16 | uint32(sub)<<8 | isLink | uint32(first)
			table[low] = link
			for i := range table[free : free+1<<sub] {
				table[free+i] = isBad
			}
			free += 1 << sub
		}
		sub := table[link>>16:][:1<<(link>>8&31)]
		for i := rev >> first; i < len(sub); i += 1 << (n - first) {
			sub[i] = e | uint32(n-first)
		}
	}
	return true
}

// fast decodes symbols as long as there is ample input and room. It ends at the
// end of a block (done), at bad input, or when either runs short.
func (z *Reader) fast() (done, ok bool) {
	in, out := z.in[:z.n], z.win
	ip, op, hold, have := z.p, z.w, z.hold, z.have
	lit, dist := &z.lit, &z.dist
	base := z.base
	// A step reads 16 bytes at most and writes 2 literals and 258 bytes, in
	// words of 8.
	for ip+16 <= len(in) && op+280 <= len(out) {
		hold |= binary.LittleEndian.Uint64(in[ip:]) << (have & 63)
		ip += int(63-have) >> 3
		have |= 56
		e := lit[hold&(1<<litBits-1)]
		if int32(e) < 0 {
			hold >>= e & 31
			have -= uint(e & 31)
			out[op] = byte(e >> 16)
			op++
			e = lit[hold&(1<<litBits-1)]
			if int32(e) < 0 {
				hold >>= e & 31
				have -= uint(e & 31)
				out[op] = byte(e >> 16)
				op++
				e = lit[hold&(1<<litBits-1)]
				if int32(e) < 0 {
					hold >>= e & 31
					have -= uint(e & 31)
					out[op] = byte(e >> 16)
					op++
					continue
				}
			}
			hold |= binary.LittleEndian.Uint64(in[ip:]) << (have & 63)
			ip += int(63-have) >> 3
			have |= 56
		}
		if e&(isLink|isEnd|isBad) != 0 {
			if e&isLink != 0 {
				hold >>= litBits
				have -= litBits
				e = lit[(e>>16+uint32(hold)&(1<<(e>>8&31)-1))&uint32(len(lit)-1)]
				if int32(e) < 0 {
					hold >>= e & 31
					have -= uint(e & 31)
					out[op] = byte(e >> 16)
					op++
					continue
				}
			}
			if e&isEnd != 0 {
				hold >>= e & 31
				have -= uint(e & 31)
				done = true
				break
			}
			if e&isBad != 0 {
				return false, false
			}
		}
		hold >>= e & 31
		have -= uint(e & 31)
		extra := e >> 8 & 31
		length := int(e>>16) + int(hold&(1<<extra-1))
		hold >>= extra
		have -= uint(extra)
		e = dist[hold&(1<<distBits-1)]
		if e&isLink != 0 {
			hold >>= distBits
			have -= distBits
			e = dist[(e>>16+uint32(hold)&(1<<(e>>8&31)-1))&uint32(len(dist)-1)]
		}
		if e&isBad != 0 {
			return false, false
		}
		hold >>= e & 31
		have -= uint(e & 31)
		extra = e >> 8 & 31
		d := int(e>>16) + int(hold&(1<<extra-1))
		hold >>= extra
		have -= uint(extra)
		if d > op-base {
			return false, false
		}
		if src := op - d; d >= 8 {
			for i := 0; i < length; i += 8 {
				binary.LittleEndian.PutUint64(out[op+i:], binary.LittleEndian.Uint64(out[src+i:]))
			}
		} else {
			for i := range length {
				out[op+i] = out[src+i]
			}
		}
		op += length
	}
	z.p, z.w, z.hold, z.have = ip, op, hold, have
	return done, true
}
