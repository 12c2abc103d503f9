package guest

import (
	"fmt"
	"strings"

	"github.com/galleyhq/galley/internal/text"
)

// image is what a guest pretends to be, from the name of its image.
type image struct {
	id      string // os-release's ID; "" keeps the host's
	user    string // the default user
	version string // VERSION_ID
	name    string // PRETTY_NAME
	files   map[string]string
}

// imageName finds the distribution and, not far behind it, a version: not a
// date, whose year has four digits.
var imageName = text.Lazy(
	`(?i)(?:^|[^a-z])(centos|ubuntu|debian)(?:[^0-9]{0,16}?(\d{1,2}(?:\.\d{1,2})?)(?:[^0-9]|$))?`,
)

var ubuntuNames = map[string]string{
	"12.04": "precise", "14.04": "trusty", "16.04": "xenial", "18.04": "bionic",
	"20.04": "focal", "22.04": "jammy", "24.04": "noble", "26.04": "resolute",
}

var debianNames = map[string]string{
	"7": "wheezy", "8": "jessie", "9": "stretch", "10": "buster",
	"11": "bullseye", "12": "bookworm", "13": "trixie",
}

// parseImage reads the name of an image: "CentOS 7 GC 2014-09-16",
// "ubuntu-14.04", "debian-12-openstack-amd64".
func parseImage(name string) image {
	m := imageName().FindStringSubmatch(strings.ReplaceAll(name, "_", " "))
	if m == nil {
		return image{user: "centos"}
	}
	switch version := m[2]; strings.ToLower(m[1]) {
	case "ubuntu":
		return ubuntuImage(version)
	case "debian":
		return debianImage(version)
	default:
		return centosImage(version)
	}
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

func centosImage(version string) image {
	if version == "" {
		version = "7"
	}
	major, _, dotted := strings.Cut(version, ".")
	full := version
	if major == "7" && !dotted {
		full = "7.9.2009"
	}
	flavour, label, release := "Linux", major+" (Core)", fmt.Sprintf("CentOS Linux release %s (Core)\n", full)
	if major == "8" || major == "9" || major == "10" {
		flavour, label, release = "Stream", major, fmt.Sprintf("CentOS Stream release %s\n", major)
	}
	im := image{id: "centos", user: "centos", version: major, name: fmt.Sprintf("CentOS %s %s", flavour, label)}
	im.files = map[string]string{
		"/etc/os-release":     im.release("CentOS "+flavour, label, "", "rhel fedora"),
		"/etc/centos-release": release, "/etc/redhat-release": release, "/etc/system-release": release,
		"/etc/debian_version": "", "/etc/lsb-release": "",
	}
	return im
}

func ubuntuImage(version string) image {
	if !strings.Contains(version, ".") {
		if version == "" {
			version = "22"
		}
		version += ".04"
	}
	code := ubuntuNames[version]
	im := image{id: "ubuntu", user: "ubuntu", version: version, name: "Ubuntu " + version}
	label := version
	if code != "" {
		label = fmt.Sprintf("%s LTS (%s%s)", version, strings.ToUpper(code[:1]), code[1:])
		im.name += " LTS"
	}
	im.files = map[string]string{
		"/etc/os-release":     im.release("Ubuntu", label, code, "debian"),
		"/etc/lsb-release":    fmt.Sprintf("DISTRIB_ID=Ubuntu\nDISTRIB_RELEASE=%s\nDISTRIB_CODENAME=%s\nDISTRIB_DESCRIPTION=%q\n", version, code, im.name),
		"/etc/centos-release": "", "/etc/redhat-release": "", "/etc/system-release": "",
	}
	return im
}

func debianImage(version string) image {
	if version == "" {
		version = "12"
	}
	major, _, _ := strings.Cut(version, ".")
	code, label := debianNames[major], major
	if code != "" {
		label = fmt.Sprintf("%s (%s)", major, code)
	}
	im := image{id: "debian", user: "debian", version: major, name: "Debian GNU/Linux " + label}
	im.files = map[string]string{
		"/etc/os-release":     im.release("Debian GNU/Linux", label, code, ""),
		"/etc/debian_version": version + "\n",
		"/etc/centos-release": "", "/etc/redhat-release": "", "/etc/system-release": "", "/etc/lsb-release": "",
	}
	return im
}

// release is the text of /etc/os-release.
func (im image) release(name, label, code, like string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "NAME=%q\nVERSION=%q\nID=%s\nVERSION_ID=%q\nPRETTY_NAME=%q\n", name, label, im.id, im.version, im.name)
	if code != "" {
		fmt.Fprintf(&b, "VERSION_CODENAME=%s\n", code)
	}
	if like != "" {
		fmt.Fprintf(&b, "ID_LIKE=%q\n", like)
	}
	return b.String()
}
