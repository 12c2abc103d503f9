package delta

import (
	"io/fs"
	"testing"
)

func FuzzListing(f *testing.F) {
	f.Add("s 81a4 ./a\ns a1ff ./l\nl ./l\n../x\n0000000000000000000000000000000000000000000000000000000000000000  ./a\nend\n./a\x00./l\x00./b c\x00")
	f.Add("end\n")
	f.Add("\nend\n\x00")
	f.Add("s zz\nl\nend\n")
	t := &tree{entries: []*entry{{path: "a", mode: 0o644, sum: [32]byte{1}}, {path: "d", mode: fs.ModeDir | 0o755}, {path: "d/l", mode: fs.ModeSymlink, target: "t"}}}
	f.Fuzz(func(tt *testing.T, out string) {
		have, there, err := parseListing(out)
		if err != nil {
			return
		}
		send, remove := plan(t, have, there)
		if len(send) > len(t.entries) {
			tt.Errorf("sends %d of %d", len(send), len(t.entries))
		}
		for _, p := range remove {
			if p == "" {
				tt.Error("removes the directory itself")
			}
		}
	})
}
