package jsonorder

import (
	"strings"
	"testing"
)

func TestLayout(t *testing.T) {
	const text = "{\n  \"z\": \"ü/<&\\u0001\\n\",\n  \"a\": [\n    1,\n    -2.5,\n    1.0e+21,\n    100.0,\n    12345678901234567890,\n    null,\n    true\n  ],\n  \"empty\": {\n\n  },\n  \"none\": [\n\n  ]\n}\n"
	v, err := Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if got := string(Marshal(v)); got != text {
		t.Errorf("got\n%s\nwant\n%s", got, text)
	}
}

func TestFloats(t *testing.T) {
	// As Ruby's Float#to_s prints them.
	for f, want := range map[float64]string{
		100: "100.0", 1e15: "1000000000000000.0", 1e16: "1.0e+16", 0.0001: "0.0001", 0.00001: "1.0e-05", 1.5e300: "1.5e+300",
		1.0 / 3: "0.3333333333333333", 123456789.125: "123456789.125",
	} {
		if got := FormatFloat(f); got != want {
			t.Errorf("%v: %s, want %s", f, got, want)
		}
	}
}

func TestSyntaxErrorsHavePlaces(t *testing.T) {
	for text, want := range map[string]string{
		"{\"a\": }": "line 1, column 7", "{\n \"a\" 1}": "line 2, column 6", "[1, 2": "line 1, column 6", "\"\\x\"": "escape code", "{} x": "more after",
		strings.Repeat("[", 300): "deeply", "\"\x01\"": "string literal", "": "too early", "\"\\ud800\"x": "more after",
	} {
		if _, err := Parse([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.20q: %v", text, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{`{"a": [1, 2.5, "x\u00fc\ud83d\ude00"]}`, `[]`, `-0.0`, `{"a":1,"a":2}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		v, err := Parse(data)
		if err != nil {
			return
		}
		text := Marshal(v)
		again, err := Parse(text)
		if err != nil {
			t.Fatalf("%q was written as %q: %v", data, text, err)
		}
		if string(Marshal(again)) != string(text) {
			t.Errorf("%q was written as %q", data, text)
		}
	})
}
