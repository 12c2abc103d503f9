package source

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"

	"github.com/tidwall/gjson"

	"github.com/galleyhq/galley/internal/cookbooks/cookbook"
	"github.com/galleyhq/galley/internal/jsonorder"
)

// index is the list of cookbooks of a Supermarket: {name: {version: {…}}}.
// Lists have tens of megabytes, of which a resolution needs little: only the
// places of the names are found at first, the rest is read on demand.
type index struct {
	data  []byte
	spans map[string][2]int
	read  map[string][]Release
}

// A list in the cache is followed by the table of the names, so that the next
// run does not search tens of megabytes for them: for each name its length,
// itself, and where its versions begin and end; at the end the length of the
// list and the mark.
const indexMark = "\ngalley1"

// table is what follows a list in the cache.
func (x *index) table() []byte {
	var out []byte
	for name, span := range x.spans {
		out = binary.AppendUvarint(out, uint64(len(name)))
		out = append(out, name...)
		out = binary.AppendUvarint(out, uint64(span[0]))
		out = binary.AppendUvarint(out, uint64(span[1]))
	}
	out = binary.LittleEndian.AppendUint64(out, uint64(len(x.data)))
	return append(out, indexMark...)
}

// openIndex reads a list of the cache.
func openIndex(file string) (*index, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	broken := fmt.Errorf("%s in the cache is broken; remove it", file)
	table, ok := bytes.CutSuffix(data, []byte(indexMark))
	if !ok || len(table) < 8 {
		return nil, broken
	}
	size := binary.LittleEndian.Uint64(table[len(table)-8:])
	if table = table[:len(table)-8]; size > uint64(len(table)) {
		return nil, broken
	}
	x := &index{data: data[:size], spans: map[string][2]int{}, read: map[string][]Release{}}
	for table = table[size:]; len(table) > 0; {
		var field [3]uint64
		name := ""
		for i := range field {
			n := 0
			if field[i], n = binary.Uvarint(table); n <= 0 {
				return nil, broken
			}
			table = table[n:]
			if i == 0 {
				if field[0] > uint64(len(table)) {
					return nil, broken
				}
				name, table = string(table[:field[0]]), table[field[0]:]
			}
		}
		if field[1] > field[2] || field[2] > size {
			return nil, broken
		}
		x.spans[name] = [2]int{int(field[1]), int(field[2])}
	}
	return x, nil
}

// parseIndex finds the names in a list.
func parseIndex(data []byte) (*index, error) {
	list := gjson.ParseBytes(data)
	switch {
	case !list.IsObject():
		return nil, notAList(data)
	case !gjson.ValidBytes(data):
		return nil, errCut
	}
	x := &index{data: data, spans: map[string][2]int{}, read: map[string][]Release{}}
	list.ForEach(func(name, versions gjson.Result) bool {
		x.spans[name.String()] = [2]int{versions.Index, versions.Index + len(versions.Raw)}
		return true
	})
	return x, nil
}

var errCut = errors.New("the list of cookbooks is not complete JSON")

// notAList describes what came in place of a list.
func notAList(data []byte) error {
	begin := bytes.TrimSpace(data[:min(len(data), 200)])
	switch {
	case len(begin) == 0:
		return errors.New("the list of cookbooks is empty")
	case begin[0] == '<':
		return errors.New("a web page came in place of the list of cookbooks; is there a login or a proxy in between?")
	}
	return errors.New("the list of cookbooks is not JSON")
}

// releases reads the versions of a cookbook.
func (x *index) releases(name string) ([]Release, error) {
	if list, ok := x.read[name]; ok {
		return list, nil
	}
	span, ok := x.spans[name]
	if !ok {
		return nil, nil
	}
	versions, err := jsonorder.ParseObject(x.data[span[0]:span[1]])
	if err != nil {
		return nil, fmt.Errorf("the list of cookbooks, at %s: %w", name, err)
	}
	list := make([]Release, 0, versions.Len())
	for _, v := range versions.Keys() {
		entry := versions.Object(v)
		r := Release{
			Name: name, Version: v, Type: entry.String("location_type"),
			Location: entry.String("location_path"), URL: entry.String("download_url"),
		}
		deps := entry.Object("dependencies")
		for _, d := range deps.Keys() {
			r.Dependencies = append(r.Dependencies, cookbook.Dependency{Name: d, Constraint: deps.String(d)})
		}
		list = append(list, r)
	}
	x.read[name] = list
	return list, nil
}
