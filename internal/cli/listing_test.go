package cli

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"

	"github.com/galleyhq/galley/internal/bootstrap/chefserver"
	"github.com/galleyhq/galley/internal/openstack"
	"github.com/galleyhq/galley/internal/ui"
)

func printed(t *testing.T, l listing, f listingFlags, one bool) string {
	t.Helper()
	var out bytes.Buffer
	p := newDeps(nameGalley, &ui.Streams{Out: &out, Err: &out, Env: func(string) (string, bool) { return "", false }}).program
	print := p.print
	if one {
		print = p.printOne
	}
	if err := print(l, &f); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func sample() listing {
	l := listing{columns: []string{"Name", "RAM", "Fixed IP", "Shared"}}
	l.add("b", sized(512, "MB"), orNone(""), flagged(true))
	l.add("a \"quoted\"\nname", sized(1, "MB"), orNone("10.0.0.9"), flagged(false))
	return l
}

func TestListingFormats(t *testing.T) {
	for format, want := range map[string]string{
		"table": "Name             RAM     Fixed IP  Shared\nb                512 MB            yes\na \"quoted\" name  1 MB    10.0.0.9  no\n",
		"text":  "Name: b\nRAM: 512 MB\nFixed IP:\nShared: yes\n\nName: a \"quoted\" name\nRAM: 1 MB\nFixed IP: 10.0.0.9\nShared: no\n",
		"csv":   "Name,RAM,Fixed IP,Shared\nb,512 MB,,yes\n\"a \"\"quoted\"\"\nname\",1 MB,10.0.0.9,no\n",
		"yaml":  "- name: b\n  ram: 512\n  fixed_ip: null\n  shared: true\n- name: |-\n    a \"quoted\"\n    name\n  ram: 1\n  fixed_ip: 10.0.0.9\n  shared: false\n",
		"json": `[
  {
    "name": "b",
    "ram": 512,
    "fixed_ip": null,
    "shared": true
  },
  {
    "name": "a \"quoted\"\nname",
    "ram": 1,
    "fixed_ip": "10.0.0.9",
    "shared": false
  }
]
`,
	} {
		if diff := cmp.Diff(want, printed(t, sample(), listingFlags{format: format}, false)); diff != "" {
			t.Errorf("%s: %s", format, diff)
		}
	}
	for format, want := range map[string]string{"json": "[]\n", "yaml": "[]\n", "csv": "Name\n", "table": "Name\n", "text": ""} {
		if got := printed(t, listing{columns: []string{"Name"}}, listingFlags{format: format}, false); got != want {
			t.Errorf("nothing as %s is %q, want %q", format, got, want)
		}
	}
}

// knife's name for the form for people is accepted, and anything not printed is
// refused before anything is looked up.
func TestFormatFlag(t *testing.T) {
	var got string
	cmd := &cobra.Command{}
	addFormat(cmd, &got, "F", formatTable, formatJSON)
	if err := cmd.ParseFlags([]string{"-F", "summary"}); err != nil || got != formatTable {
		t.Errorf("summary is %q, %v", got, err)
	}
	for value, want := range map[string]string{"xml": `unknown format "xml": it is table or json`, "pp": "the format pp is Ruby's own notation"} {
		err := cmd.ParseFlags([]string{"--format", value})
		var usage *usageError
		if err = flagError(cmd, err); !errors.As(err, &usage) || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: %v", value, err)
		}
	}
}

func TestListingColumns(t *testing.T) {
	got := printed(t, sample(), listingFlags{format: "json", columns: []string{"shared", " fixed_ip"}}, true)
	if want := "{\n  \"shared\": true,\n  \"fixed_ip\": null\n}\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	plain := listing{columns: []string{"Name", "ID"}, rows: [][]cell{{textOf("n"), textOf("i")}}}
	if got := printed(t, plain, listingFlags{format: "csv", columns: []string{"ID"}}, false); got != "ID\ni\n" {
		t.Errorf("got %q", got)
	}
}

func TestServerCells(t *testing.T) {
	s := openstack.ServerInfo{
		Name: "web", ID: "s1", Status: "ACTIVE", Flavor: "gone-flavor", Image: "gone-image",
		Addresses: []openstack.Address{{Network: "net1", IP: "10.0.0.9"}, {Network: "net1", IP: "172.24.4.5"}, {Network: "net2", IP: "fd00::9"}},
	}
	l := listing{columns: serverColumns}
	l.add(serverCells(s, map[string]string{"f1": "m1.small"}, map[string]string{"i1": "debian"})...)
	s.Image, s.Flavor = "", "f1"
	l.add(serverCells(s, map[string]string{"f1": "m1.small"}, nil)...)
	want := [][]string{
		{"web", "s1", "net1=10.0.0.9,172.24.4.5 net2=fd00::9", "gone-flavor", "gone-image", "", "active", ""},
		{"web", "s1", "net1=10.0.0.9,172.24.4.5 net2=fd00::9", "m1.small", fromVolume, "", "active", ""},
	}
	var got [][]string
	for _, row := range l.rows {
		var texts []string
		for _, c := range row {
			texts = append(texts, c.text)
		}
		got = append(got, texts)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if v := l.rows[1][slices.Index(serverColumns, "Image")].value; v != nil {
		t.Errorf("the image of a server booted from a volume is %v as data", v)
	}
	if diff := cmp.Diff(map[string][]string{"net1": {"10.0.0.9", "172.24.4.5"}, "net2": {"fd00::9"}}, l.rows[0][2].value); diff != "" {
		t.Error(diff)
	}
}

func TestImageListingHidesBootParts(t *testing.T) {
	images := []openstack.Image{{Name: "z", ID: "1"}, {Name: "cirros-vmlinuz", ID: "2"}, {Name: "virtual-box", ID: "4"}, {Name: "a", ID: "9"}, {Name: "a", ID: "3"}, {Name: "my-initrd", ID: "5"}}
	names := func(l listing) string {
		var out []string
		for _, r := range l.rows {
			out = append(out, r[0].text+r[1].text)
		}
		return strings.Join(out, " ")
	}
	l, hidden := imageListing(images, false)
	if got, want := names(l), "a3 a9 virtual-box4 z1"; got != want || hidden != 2 {
		t.Errorf("got %s, %d hidden; want %s, 2", got, hidden, want)
	}
	l, hidden = imageListing(images, true)
	if got, want := names(l), "a3 a9 cirros-vmlinuz2 my-initrd5 virtual-box4 z1"; got != want || hidden != 0 {
		t.Errorf("all: got %s, %d hidden; want %s", got, hidden, want)
	}
}

func TestFloatingIPsAreInTheOrderOfTheirNumbers(t *testing.T) {
	list := []openstack.FloatingIP{{Address: "10.0.0.10"}, {Address: "10.0.0.9"}, {Address: "9.0.0.1"}}
	slices.SortFunc(list, byAddress)
	if list[0].Address != "9.0.0.1" || list[1].Address != "10.0.0.9" {
		t.Errorf("got %v", list)
	}
}

func TestNodeAttributes(t *testing.T) {
	n := &chefserver.FullNode{
		Node:      chefserver.Node{Name: "web", Normal: map[string]any{"a": "normal", "tags": []any{"x", "y"}}},
		Automatic: map[string]any{"kernel": map[string]any{"release": "6.1"}},
		Override:  map[string]any{"b": "override"},
		Default:   map[string]any{"a": "default", "b": "default", "c": false},
	}
	d := &chefData{attributes: []string{"a", "b", "c", "kernel.release", "kernel", "kernel.release.x", "nope"}, nodes: map[string]*chefserver.FullNode{"web": n}}
	var got []string
	for _, c := range d.cells("web") {
		got = append(got, c.(cell).text)
	}
	want := []string{"web", "", "", "", "x, y", "", "normal", "override", "false", "6.1", `{"release":"6.1"}`, "", ""}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if cells := d.cells("other"); len(cells) != len(want) || cells[0] != (cell{}) {
		t.Errorf("a server without a node has %v", cells)
	}
}
