package gunzip

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"testing"
)

// A reader that goes on from any block of a member reads the rest of it, and
// verifies the checksum of the whole.
func TestStateBetweenBlocks(t *testing.T) {
	states := 0
	for name, b := range samples() {
		for _, level := range []int{gzip.HuffmanOnly, 0, 1, 9} {
			in := append(pack(b, level), pack([]byte("more"), 1)...)
			want := append(bytes.Clone(b), "more"...)
			z := NewReader(bytes.NewReader(in))
			for at := 0; ; {
				z.Pause()
				piece, err := z.Next()
				at += len(piece)
				if errors.Is(err, io.EOF) {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
				state, used := z.Save()
				if state == nil {
					continue
				}
				states++
				other := NewReader(bytes.NewReader(in[used:]))
				if !other.Load(state) {
					t.Fatalf("%s, level %d: the state at %d is refused", name, level, at)
				}
				got, err := io.ReadAll(other)
				if err != nil || !bytes.Equal(got, want[at:]) {
					t.Fatalf("%s, level %d, from %d: %d bytes of %d, %v", name, level, at, len(got), len(want)-at, err)
				}
				state[3] ^= 1
				other.Reset(bytes.NewReader(in[used:]))
				other.Load(state)
				if _, err := io.ReadAll(other); !errors.Is(err, ErrChecksum) {
					t.Fatalf("%s, level %d, from %d with another checksum: %v", name, level, at, err)
				}
			}
		}
	}
	if states < 100 {
		t.Errorf("%d states only", states)
	}
	for _, state := range [][]byte{nil, make([]byte, stateSize-1), make([]byte, stateSize+window+1), {0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0}} {
		if NewReader(nil).Load(state) {
			t.Errorf("a state of %d bytes was accepted", len(state))
		}
	}
}
