package ruby

import "testing"

// What Parse leaves for later in the library's own files is right.
func TestRegularExpressionsOfTheLibrary(t *testing.T) {
	t.Parallel()
	files, err := preludeFiles.ReadDir("lib")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		src, err := preludeFiles.ReadFile("lib/" + f.Name())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Parse(string(src), Options{File: f.Name()}); err != nil {
			t.Error(err)
		}
	}
}
