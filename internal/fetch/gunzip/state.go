package gunzip

import "encoding/binary"

// stateSize is the length of a state without its window.
const stateSize = 11

// Pause makes the data end, once, where its next block begins: there
// [Reader.Save] has a state to return.
func (z *Reader) Pause() { z.pause = true }

// Save returns the state of a reader within a member, and how many bytes of
// input are behind it: a reader of the others goes on by [Reader.Load]. The
// state is nil where the reader is not between two blocks, or has not handed
// out all their data.
func (z *Reader) Save() (state []byte, used int64) {
	if !z.paused || z.w != z.given {
		return nil, 0
	}
	state = make([]byte, stateSize, stateSize+window)
	if z.final {
		state[0] = 1
	}
	// The bits left of a byte; whole bytes are read again.
	state[1] = byte(z.have & 7)
	state[2] = byte(z.hold & (1<<(z.have&7) - 1))
	binary.LittleEndian.PutUint32(state[3:], z.crc)
	binary.LittleEndian.PutUint32(state[7:], z.size)
	return append(state, z.win[max(z.base, z.w-window):z.w]...), z.total - int64(z.n-z.p) - int64(z.have/8)
}

// Load makes a reader that was reset go on from a state, and returns false if
// it is none.
func (z *Reader) Load(state []byte) bool {
	if len(state) < stateSize || len(state) > stateSize+window || state[1] > 7 {
		return false
	}
	z.final, z.have, z.hold = state[0] == 1, uint(state[1]), uint64(state[2])
	z.crc, z.size = binary.LittleEndian.Uint32(state[3:]), binary.LittleEndian.Uint32(state[7:])
	z.w = copy(z.win, state[stateSize:])
	z.given, z.sum, z.first, z.step = z.w, z.w, false, (*Reader).block
	return true
}
