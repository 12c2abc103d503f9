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

func TestMethodsOfTheLibraryAreParsedWhenCalled(t *testing.T) {
	t.Parallel()
	n := 0
	for name, class := range New(Config{}).classes {
		for method, m := range class.methods {
			if m.fn != nil {
				n++
				if m.fn().body == nil {
					t.Errorf("%s#%s has no body", name, method)
				}
			}
		}
	}
	if n < 200 {
		t.Errorf("only %d methods", n)
	}
}
