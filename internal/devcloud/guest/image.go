package guest

import (
	"fmt"
	"strings"
)

// image is what a guest shows of itself.
type image struct {
	id      string // os-release's ID; "" keeps the host's
	user    string // the default user
	version string // VERSION_ID
	name    string // PRETTY_NAME
	files   map[string]string
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
		im := image{id: i.id, user: i.id, version: i.version, name: i.name + " " + i.label, files: map[string]string{
			"/etc/centos-release": "", "/etc/redhat-release": "", "/etc/system-release": "", "/etc/debian_version": "", "/etc/lsb-release": "",
		}}
		var b strings.Builder
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
		fmt.Fprintf(&b, "NAME=%q\nVERSION=%q\nID=%s\nVERSION_ID=%q\nPRETTY_NAME=%q\n", i.name, i.label, i.id, i.version, im.name)
		if i.code != "" {
			fmt.Fprintf(&b, "VERSION_CODENAME=%s\n", i.code)
		}
		if i.like != "" {
			fmt.Fprintf(&b, "ID_LIKE=%q\n", i.like)
		}
		im.files["/etc/os-release"] = b.String()
		return im
	}
	return image{user: "centos"}
}

// imageOf is an image with content, by its /etc/os-release.
func imageOf(release []byte) image {
	im := image{user: "cloud-user", name: "Linux"}
	for line := range strings.Lines(string(release)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		value = strings.Trim(value, `"'`)
		switch key {
		case "ID":
			im.id = value
			switch {
			case value == "amzn":
				im.user = "ec2-user"
			case value != "rhel" && validName(value):
				im.user = value // debian, ubuntu, centos, rocky, almalinux, fedora, alpine
			}
		case "VERSION_ID":
			im.version = value
		case "PRETTY_NAME":
			im.name = value
		}
	}
	return im
}
