package source

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

const sampleList = `{"apt":{"1.0.0":{"dependencies":{}},"2.0.0":{"dependencies":{"a\"b":"~> 1.0","c":"{"},"location_type":"uri","location_path":"x","download_url":"y"}},
 "a\u00e9b" : {"0.1.0":{"dependencies":{"apt":">= 0"}}}, "none":{}}`

func TestIndexOfTheCache(t *testing.T) {
	x, err := parseIndex([]byte(sampleList))
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "list")
	if err := os.WriteFile(file, append([]byte(sampleList), x.table()...), 0o600); err != nil {
		t.Fatal(err)
	}
	y, err := openIndex(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"apt", "aéb", "none", "missing"} {
		want, err := x.releases(name)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := y.releases(name); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v, want %v (%v)", name, got, want, err)
		}
	}
	if list, _ := y.releases("apt"); len(list) != 2 || len(list[1].Dependencies) != 2 || list[1].URL != "y" {
		t.Errorf("apt is %+v", list)
	}
	whole, _ := os.ReadFile(file)
	for n := range len(whole) {
		if err := os.WriteFile(file, whole[:n], 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := openIndex(file); err == nil {
			t.Fatalf("%d of %d bytes are read as a list", n, len(whole))
		}
	}
}

func TestListThatIsCutShort(t *testing.T) {
	for n := range len(sampleList) {
		if _, err := parseIndex([]byte(sampleList[:n])); err == nil {
			t.Errorf("%d of %d bytes are taken for a list", n, len(sampleList))
		}
	}
	for _, text := range []string{"<html>", "[]", "null"} {
		if _, err := parseIndex([]byte(text)); err == nil {
			t.Errorf("%s is taken for a list", text)
		}
	}
}

func BenchmarkIndex(b *testing.B) {
	var list strings.Builder
	for i := range 4000 {
		fmt.Fprintf(&list, `%c"book%d":{`, "{,"[min(i, 1)], i)
		for v := range 40 {
			fmt.Fprintf(&list, `%s"1.%d.0":{"location_type":"opscode","location_path":"https://supermarket.example/api/v1","download_url":"https://supermarket.example/api/v1/cookbooks/book%d/versions/1.%d.0/download","dependencies":{"apt":"~> 1.%d"}}`,
				strings.Repeat(",", min(v, 1)), v, i, v, v)
		}
		list.WriteByte('}')
	}
	list.WriteByte('}')
	data := []byte(list.String())
	x, err := parseIndex(data)
	if err != nil {
		b.Fatal(err)
	}
	file := filepath.Join(b.TempDir(), "list")
	if err := os.WriteFile(file, append(data, x.table()...), 0o600); err != nil {
		b.Fatal(err)
	}
	b.Run("parse", func(b *testing.B) {
		b.SetBytes(int64(len(data)))
		for b.Loop() {
			_, _ = parseIndex(data)
		}
	})
	b.Run("cache", func(b *testing.B) {
		b.SetBytes(int64(len(data)))
		for b.Loop() {
			_, _ = openIndex(file)
		}
	})
}
