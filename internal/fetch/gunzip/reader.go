package gunzip

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
)

// The ways in which a stream may be bad. One that ends early is
// [io.ErrUnexpectedEOF].
var (
	ErrHeader   = errors.New("no gzip header")
	ErrData     = errors.New("the compressed data is damaged")
	ErrChecksum = errors.New("the checksum or length of the data is wrong")
)

const (
	window = 32 << 10
	room   = 128 << 10
	inSize = 64 << 10
)

// Reader undoes gzip. [Reader.Next] hands out the data piece by piece.
type Reader struct {
	r    io.Reader
	err  error
	rerr error // r's

	in   []byte
	p, n int  // in[p:n] is still to be used
	eof  bool // r has ended
	hold uint64
	have uint // bits in hold; those above may be garbage of fast

	win   []byte
	w     int // win[:w] is filled
	given int // win[:given] was handed out
	sum   int // win[:sum] is in the checksum
	base  int // the member's data begins here; distances do not reach before

	total   int64 // bytes read from r
	between bool  // a member has ended, and the next one has not begun
	// pause: stop before the next block. paused: that is where it stands.
	pause, paused bool

	step   func(*Reader) error
	final  bool
	stored int
	copyN  int // of a match that did not fit
	copyD  int
	crc    uint32
	size   uint32
	first  bool

	lit     litTable
	dist    distTable
	code    [1 << 7]uint32
	lengths [286 + 32]uint8
}

// NewReader returns a reader of the members in r.
func NewReader(r io.Reader) *Reader {
	z := &Reader{in: make([]byte, inSize), win: make([]byte, window+room)}
	z.Reset(r)
	return z
}

// Reset makes the reader one of r.
func (z *Reader) Reset(r io.Reader) {
	z.r, z.err, z.rerr, z.p, z.n, z.eof, z.hold, z.have = r, nil, nil, 0, 0, false, 0, 0
	z.w, z.given, z.sum, z.base = 0, 0, 0, 0
	z.step, z.first, z.copyN, z.total, z.between = (*Reader).header, true, 0, 0, false
	z.pause, z.paused = false, false
}

// Read implements io.Reader.
func (z *Reader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for z.w == z.given {
		if err := z.advance(); err != nil {
			return 0, err
		}
	}
	n := copy(p, z.win[z.given:z.w])
	z.given += n
	return n, nil
}

// Next returns the next piece of the data, valid until the next call and empty
// at the end of some members and blocks; io.EOF at the end of the last one, if r ends there
// too.
func (z *Reader) Next() ([]byte, error) {
	if z.w == z.given {
		if err := z.advance(); err != nil {
			return nil, err
		}
	}
	b := z.win[z.given:z.w]
	z.given = z.w
	return b, nil
}

// advance fills the window on, until it is full or the data ends.
func (z *Reader) advance() error {
	if z.w >= window+room/2 {
		// Keep what distances may reach.
		keep := z.w - window
		copy(z.win, z.win[keep:z.w])
		z.base = max(z.base-keep, 0)
		z.sum -= keep
		z.w, z.given = window, window
	}
	if z.paused {
		// Past this block, also if the next one is to be waited for.
		pause := z.pause
		z.pause, z.paused = false, false
		z.err = z.step(z)
		z.pause = pause
	}
	for z.err == nil && z.w < window+room/2 {
		// In pieces that stay in the cache until they were looked at.
		before := z.between
		z.err = z.step(z)
		if z.between && !before || z.paused {
			return nil // so that Member or Save knows the place
		}
	}
	if z.w > z.given {
		return nil
	}
	return z.err
}

// Member returns how many bytes of input the members read so far took, and
// false within a member. All their data was handed out.
func (z *Reader) Member() (int64, bool) {
	return z.total - int64(z.n-z.p), z.between && z.w == z.given
}

// more reads more input after the rest. It returns false at the end.
func (z *Reader) more() bool {
	if z.eof {
		return false
	}
	// What is in hold may have to be given back.
	keep := min(z.p, 8)
	copy(z.in, z.in[z.p-keep:z.n])
	z.n -= z.p - keep
	z.p = keep
	for range 100 {
		n, err := z.r.Read(z.in[z.n:])
		z.n += n
		z.total += int64(n)
		if err != nil {
			z.eof = true
			if err != io.EOF {
				z.rerr = err
			}
		}
		if n > 0 || err != nil {
			return n > 0
		}
	}
	z.eof, z.rerr = true, io.ErrNoProgress
	return false
}

// short is the error of an input that ended too early.
func (z *Reader) short() error {
	if z.rerr != nil {
		return z.rerr
	}
	return io.ErrUnexpectedEOF
}

// need puts n bits at least into hold, n <= 32.
func (z *Reader) need(n uint) error {
	z.hold &= 1<<z.have - 1
	for z.have < n {
		if z.p == z.n && !z.more() {
			return z.short()
		}
		z.hold |= uint64(z.in[z.p]) << z.have
		z.p++
		z.have += 8
	}
	return nil
}

func (z *Reader) take(n uint) uint32 {
	v := uint32(z.hold & (1<<n - 1))
	z.hold >>= n
	z.have -= n
	return v
}

// align gives whole bytes in hold back to the input.
func (z *Reader) align() {
	z.take(z.have & 7)
	z.p -= int(z.have / 8)
	z.hold, z.have = 0, 0
}

// bytes returns the next n bytes of input, n <= 4096.
func (z *Reader) bytes(n int) ([]byte, error) {
	for z.n-z.p < n {
		if !z.more() {
			return nil, z.short()
		}
	}
	b := z.in[z.p : z.p+n]
	z.p += n
	return b, nil
}

// header reads a member's header (RFC 1952, 2.3).
func (z *Reader) header() error {
	if z.p == z.n && !z.more() {
		if z.rerr == nil && !z.first {
			return io.EOF
		}
		return z.short()
	}
	if z.in[z.p] == 0 && !z.first {
		return z.padding()
	}
	b, err := z.bytes(10)
	if err != nil {
		if z.n > z.p && z.in[z.p] != 0x1f {
			return ErrHeader
		}
		return err
	}
	if b[0] != 0x1f || b[1] != 0x8b || b[2] != 8 || b[3]&0xe0 != 0 {
		return ErrHeader
	}
	flags := b[3]
	sum := crc32.ChecksumIEEE(b)
	if flags&4 != 0 {
		if b, err = z.bytes(2); err != nil {
			return err
		}
		n := int(binary.LittleEndian.Uint16(b))
		sum = crc32.Update(sum, crc32.IEEETable, b)
		for n > 0 {
			if b, err = z.bytes(min(n, 4096)); err != nil {
				return err
			}
			sum = crc32.Update(sum, crc32.IEEETable, b)
			n -= len(b)
		}
	}
	for f := byte(8); f <= 16; f *= 2 { // name, comment
		for flags&f != 0 {
			if b, err = z.bytes(1); err != nil {
				return err
			}
			sum = crc32.Update(sum, crc32.IEEETable, b)
			if b[0] == 0 {
				break
			}
		}
	}
	if flags&2 != 0 {
		if b, err = z.bytes(2); err != nil {
			return err
		}
		if binary.LittleEndian.Uint16(b) != uint16(sum) {
			return ErrHeader
		}
	}
	z.between = false
	z.first, z.final, z.base, z.sum, z.crc, z.size = false, false, z.w, z.w, 0, 0
	z.step = (*Reader).block
	return nil
}

// padding reads zeros after the last member, which tapes and some archives have
// and gzip ignores.
func (z *Reader) padding() error {
	for {
		for ; z.p < z.n; z.p++ {
			if z.in[z.p] != 0 {
				return ErrHeader
			}
		}
		if !z.more() {
			if z.rerr != nil {
				return z.rerr
			}
			return io.EOF
		}
	}
}

// block reads a block's header (RFC 1951, 3.2.3).
func (z *Reader) block() error {
	if z.pause {
		z.pause, z.paused = false, true
		return nil
	}
	if z.final {
		z.step = (*Reader).trailer
		return nil
	}
	if err := z.need(3); err != nil {
		return err
	}
	z.final = z.take(1) == 1
	switch z.take(2) {
	case 0:
		z.align()
		b, err := z.bytes(4)
		if err != nil {
			return err
		}
		n := binary.LittleEndian.Uint16(b)
		if n != ^binary.LittleEndian.Uint16(b[2:]) {
			return ErrData
		}
		z.stored = int(n)
		z.step = (*Reader).copyStored
	case 1:
		for i := range 288 {
			switch {
			case i < 144, i >= 280:
				z.lengths[i] = 8
			case i < 256:
				z.lengths[i] = 9
			default:
				z.lengths[i] = 7
			}
		}
		build(z.lit[:], litBits, z.lengths[:288], litEntry)
		for i := range 32 {
			z.lengths[i] = 5
		}
		build(z.dist[:], distBits, z.lengths[:32], distEntry)
		z.step = (*Reader).symbols
	case 2:
		if err := z.tables(); err != nil {
			return err
		}
		z.step = (*Reader).symbols
	default:
		return ErrData
	}
	return nil
}

// tables reads a block's own codes (RFC 1951, 3.2.7).
func (z *Reader) tables() error {
	if err := z.need(14); err != nil {
		return err
	}
	nlit, ndist, ncode := int(z.take(5))+257, int(z.take(5))+1, int(z.take(4))+4
	if nlit > 286 || ndist > 30 {
		return ErrData
	}
	var codes [19]uint8
	for i := range ncode {
		if err := z.need(3); err != nil {
			return err
		}
		codes[codeOrder[i]] = uint8(z.take(3))
	}
	if !build(z.code[:], 7, codes[:], codeEntry) {
		return ErrData
	}
	for i := 0; i < nlit+ndist; {
		e, err := z.symbol(z.code[:], 7)
		if err != nil {
			return err
		}
		sym := e >> 16
		if sym < 16 {
			z.lengths[i] = uint8(sym)
			i++
			continue
		}
		extra := [3]uint{2, 3, 7}[sym-16]
		if err := z.need(extra); err != nil {
			return err
		}
		times := int(z.take(extra)) + [3]int{3, 3, 11}[sym-16]
		var v uint8
		if sym == 16 {
			if i == 0 {
				return ErrData
			}
			v = z.lengths[i-1]
		}
		if i+times > nlit+ndist {
			return ErrData
		}
		for ; times > 0; times-- {
			z.lengths[i] = v
			i++
		}
	}
	if !build(z.lit[:], litBits, z.lengths[:nlit], litEntry) || !build(z.dist[:], distBits, z.lengths[nlit:nlit+ndist], distEntry) {
		return ErrData
	}
	return nil
}

// symbol decodes one symbol bit by bit as far as the input must be read for
// it, so that nothing behind the last code is asked for.
func (z *Reader) symbol(table []uint32, first uint) (uint32, error) {
	for n := uint(1); ; {
		if err := z.need(n); err != nil {
			return 0, err
		}
		e := table[z.hold&(1<<first-1)]
		used := uint(e & 31)
		if e&isLink != 0 {
			e = table[e>>16+uint32(z.hold>>first)&(1<<(e>>8&31)-1)]
			used = first + uint(e&31)
		}
		if e&isBad != 0 && z.have >= maxCode {
			return 0, ErrData
		}
		if e&isBad == 0 && used <= z.have {
			z.take(used)
			return e, nil
		}
		if z.have >= maxCode {
			return 0, ErrData
		}
		n = z.have + 1
	}
}

// symbols decodes a block's data until the window is full.
func (z *Reader) symbols() error {
	for {
		if z.copyN > 0 && !z.copyMatch() {
			return z.account()
		}
		if z.n-z.p < 64 && !z.eof {
			z.more()
		}
		z.hold &= 1<<z.have - 1
		done, ok := z.fast()
		if !ok {
			return ErrData
		}
		if done {
			z.step = (*Reader).block
			return z.account()
		}
		if len(z.win)-z.w < 280 {
			return z.account()
		}
		if z.n-z.p >= 64 {
			continue
		}
		// The end is near: one symbol with care.
		e, err := z.symbol(z.lit[:], litBits)
		if err != nil {
			return err
		}
		switch {
		case e&isLiteral != 0:
			z.win[z.w] = byte(e >> 16)
			z.w++
			continue
		case e&isEnd != 0:
			z.step = (*Reader).block
			return z.account()
		}
		extra := uint(e >> 8 & 31)
		if err := z.need(extra); err != nil {
			return err
		}
		z.copyN = int(e>>16) + int(z.take(extra))
		if e, err = z.symbol(z.dist[:], distBits); err != nil {
			return err
		}
		extra = uint(e >> 8 & 31)
		if err := z.need(extra); err != nil {
			return err
		}
		z.copyD = int(e>>16) + int(z.take(extra))
		if z.copyD > z.w-z.base {
			return ErrData
		}
	}
}

// copyMatch copies the rest of a match, and returns false if the window is
// full before.
func (z *Reader) copyMatch() bool {
	for z.copyN > 0 {
		if z.w == len(z.win) {
			return false
		}
		z.win[z.w] = z.win[z.w-z.copyD]
		z.w++
		z.copyN--
	}
	return true
}

// account adds to the checksum what has come since it last did; it runs once
// for each time the window fills and at each block's end.
func (z *Reader) account() error {
	z.crc = crc32.Update(z.crc, crc32.IEEETable, z.win[z.sum:z.w])
	z.size += uint32(z.w - z.sum)
	z.sum = z.w
	return nil
}

// copyStored copies a block that is not compressed.
func (z *Reader) copyStored() error {
	if z.stored == 0 {
		z.step = (*Reader).block
		return nil
	}
	if z.p == z.n && !z.more() {
		return z.short()
	}
	n := copy(z.win[z.w:], z.in[z.p:min(z.n, z.p+z.stored)])
	z.p += n
	z.w += n
	z.stored -= n
	return z.account()
}

// trailer verifies a member's checksum and length.
func (z *Reader) trailer() error {
	z.hold &= 1<<z.have - 1
	z.align()
	b, err := z.bytes(8)
	if err != nil {
		return err
	}
	if binary.LittleEndian.Uint32(b) != z.crc || binary.LittleEndian.Uint32(b[4:]) != z.size {
		return ErrChecksum
	}
	z.step, z.between = (*Reader).header, true
	return nil
}
