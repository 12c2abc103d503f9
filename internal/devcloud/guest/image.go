package guest

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"strings"
)

// image is what a guest shows of itself.
type image struct {
	user  string            // the default user
	name  string            // PRETTY_NAME
	files map[string]string // in place of the host's; an empty one is not there
}

// seededImages are the images that are views of the host, by their
// distribution and version; the first name of each is os-release's NAME.
var seededImages = []struct{ id, version, name, label, code, like string }{
	{"centos", "7", "CentOS Linux", "7 (Core)", "", "rhel fedora"},
	{"ubuntu", "14.04", "Ubuntu", "14.04 LTS (Trusty)", "trusty", "debian"},
	{"ubuntu", "22.04", "Ubuntu", "22.04 LTS (Jammy)", "jammy", "debian"},
	{"debian", "12", "Debian GNU/Linux", "12 (bookworm)", "bookworm", ""},
}

// seededImage is the image whose distribution and version are in a name:
// "CentOS 7 GC 2014-09-16", "ubuntu-14.04".
func seededImage(name string) image {
	for _, i := range seededImages {
		_, rest, ok := strings.Cut(strings.ToLower(name), i.id)
		if !ok || !strings.HasPrefix(strings.TrimLeft(rest, " -"), i.version) {
			continue
		}
		im := image{user: i.id, name: i.name + " " + i.label, files: map[string]string{
			"/etc/centos-release": "", "/etc/redhat-release": "", "/etc/system-release": "", "/etc/debian_version": "", "/etc/lsb-release": "",
		}}
		switch i.id {
		case "centos":
			for _, f := range []string{"/etc/centos-release", "/etc/redhat-release", "/etc/system-release"} {
				im.files[f] = "CentOS Linux release 7.9.2009 (Core)\n"
			}
		case "ubuntu":
			delete(im.files, "/etc/debian_version")
			im.name = "Ubuntu " + i.version + " LTS"
			im.files["/etc/lsb-release"] = fmt.Sprintf(
				"DISTRIB_ID=Ubuntu\nDISTRIB_RELEASE=%s\nDISTRIB_CODENAME=%s\nDISTRIB_DESCRIPTION=%q\n", i.version, i.code, im.name)
		case "debian":
			im.files["/etc/debian_version"] = i.version + "\n"
		}
		im.files["/etc/os-release"] = fmt.Sprintf(
			"NAME=%q\nVERSION=%q\nID=%s\nVERSION_ID=%q\nPRETTY_NAME=%q\nVERSION_CODENAME=%s\nID_LIKE=%q\n",
			i.name, i.label, i.id, i.version, im.name, i.code, i.like)
		return im
	}
	return image{user: "centos"}
}

// imageOf is an image with content, by its /etc/os-release.
func imageOf(release []byte) image {
	fields := parseEnvironment(release)
	im := image{user: "cloud-user", name: fields["PRETTY_NAME"]}
	switch id := fields["ID"]; {
	case id == "amzn":
		im.user = "ec2-user"
	case id != "rhel" && validName(id):
		im.user = id // debian, ubuntu, centos, rocky, almalinux, fedora, alpine
	}
	return im
}

// OpenImage returns the tar archive of a root file system that from holds,
// plain or compressed with gzip, or an error if it is neither.
func OpenImage(from io.Reader) (io.Reader, error) {
	r := bufio.NewReaderSize(from, 1<<18)
	head, err := r.Peek(512)
	switch {
	case err != nil && !errors.Is(err, io.EOF):
		return nil, err
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
		return gzip.NewReader(r)
	case len(head) < 262 || string(head[257:262]) != "ustar":
		return nil, errors.New("the image is not a tar archive, plain or compressed with gzip")
	}
	return r, nil
}
