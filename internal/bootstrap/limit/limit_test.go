package limit_test

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/galleyhq/galley/internal/bootstrap/limit"
)

func TestBuffer(t *testing.T) {
	b := limit.NewBuffer("the answer", 8)
	for _, s := range []string{"1234", "5678"} {
		if _, err := b.Write([]byte(s)); err != nil {
			t.Fatal(err)
		}
	}
	_, err := b.Write([]byte("9"))
	var e *limit.Error
	if !errors.As(err, &e) || err.Error() != "the answer is longer than the limit of 8 bytes" || b.String() != "12345678" {
		t.Errorf("%v, %q", err, b)
	}
}

func TestReader(t *testing.T) {
	data, err := io.ReadAll(limit.Reader(strings.NewReader("12345678"), "it", 8))
	if err != nil || string(data) != "12345678" {
		t.Errorf("%q, %v", data, err)
	}
	data, err = io.ReadAll(limit.Reader(strings.NewReader("123456789"), "the file", 8))
	var e *limit.Error
	if !errors.As(err, &e) || string(data) != "12345678" {
		t.Errorf("%q, %v", data, err)
	}
	for n, want := range map[int64]string{1500: "1500 bytes", 4096: "4 KiB", 16 << 20: "16 MiB", 2 << 30: "2 GiB"} {
		if got := (&limit.Error{What: "it", Limit: n}).Error(); !strings.HasSuffix(got, want) {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

func TestTail(t *testing.T) {
	tail := &limit.Tail{Max: 8}
	for _, s := range []string{"first\n", "second \n\n", "third\r\n"} {
		if _, err := tail.Write([]byte(s)); err != nil {
			t.Fatal(err)
		}
	}
	if got := tail.String(); got != "third" {
		t.Errorf("%q", got)
	}
	all := &limit.Tail{}
	_, _ = all.Write([]byte("a\n\nb \nc"))
	if got := all.Lines(2); len(got) != 2 || got[0] != "b" || got[1] != "c" {
		t.Errorf("%q", got)
	}
}
