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
	full, flavour := version, "Linux"
	switch {
	case major == "8" || major == "9" || major == "10":
		flavour = "Stream"
	case !dotted && major == "7":
		full = "7.9.2009"
	}
	release := fmt.Sprintf("CentOS %s release %s (Core)\n", flavour, full)
	label := major + " (Core)"
	if flavour == "Stream" {
		release, label = fmt.Sprintf("CentOS Stream release %s\n", major), major
	}
	pretty := fmt.Sprintf("CentOS %s %s", flavour, label)
	return image{id: "centos", user: "centos", version: major, name: pretty, files: map[string]string{
		"/etc/os-release": osRelease(
			"NAME",
			"CentOS "+flavour,
			"VERSION",
			label,
			"ID",
			"centos",
			"ID_LIKE",
			"rhel fedora",
			"VERSION_ID",
			major,
			"PRETTY_NAME",
			pretty,
			"HOME_URL",
			"https://www.centos.org/",
			"BUG_REPORT_URL",
			"https://bugs.centos.org/",
		),
		"/etc/centos-release": release,
		"/etc/redhat-release": release,
		"/etc/system-release": release,
		"/etc/debian_version": "", "/etc/lsb-release": "",
	}}
}

func ubuntuImage(version string) image {
	if !strings.Contains(version, ".") {
		if version == "" {
			version = "22"
		}
		version += ".04"
	}
	code := ubuntuNames[version]
	label, pretty := version, "Ubuntu "+version
	if code != "" {
		label = fmt.Sprintf("%s LTS (%s%s)", version, strings.ToUpper(code[:1]), code[1:])
		pretty += " LTS"
	}
	return image{id: "ubuntu", user: "ubuntu", version: version, name: pretty, files: map[string]string{
		"/etc/os-release": osRelease(
			"NAME",
			"Ubuntu",
			"VERSION",
			label,
			"ID",
			"ubuntu",
			"ID_LIKE",
			"debian",
			"PRETTY_NAME",
			pretty,
			"VERSION_ID",
			version,
			"VERSION_CODENAME",
			code,
			"UBUNTU_CODENAME",
			code,
			"HOME_URL",
			"https://www.ubuntu.com/",
		),
		"/etc/lsb-release": fmt.Sprintf(
			"DISTRIB_ID=Ubuntu\nDISTRIB_RELEASE=%s\nDISTRIB_CODENAME=%s\nDISTRIB_DESCRIPTION=%q\n",
			version,
			code,
			pretty,
		),
		"/etc/centos-release": "", "/etc/redhat-release": "", "/etc/system-release": "",
	}}
}

func debianImage(version string) image {
	if version == "" {
		version = "12"
	}
	major, _, _ := strings.Cut(version, ".")
	code := debianNames[major]
	label, pretty := major, "Debian GNU/Linux "+major
	if code != "" {
		label = fmt.Sprintf("%s (%s)", major, code)
		pretty = "Debian GNU/Linux " + label
	}
	return image{id: "debian", user: "debian", version: major, name: pretty, files: map[string]string{
		"/etc/os-release": osRelease(
			"PRETTY_NAME",
			pretty,
			"NAME",
			"Debian GNU/Linux",
			"VERSION_ID",
			major,
			"VERSION",
			label,
			"VERSION_CODENAME",
			code,
			"ID",
			"debian",
			"HOME_URL",
			"https://www.debian.org/",
			"BUG_REPORT_URL",
			"https://bugs.debian.org/",
		),
		"/etc/debian_version": version + "\n",
		"/etc/centos-release": "", "/etc/redhat-release": "", "/etc/system-release": "", "/etc/lsb-release": "",
	}}
}

// osRelease formats keys and values; pairs without a value are left out.
func osRelease(pairs ...string) string {
	var b strings.Builder
	for i := 0; i+1 < len(pairs); i += 2 {
		key, value := pairs[i], pairs[i+1]
		switch {
		case value == "":
		case key == "ID" || key == "VERSION_CODENAME" || key == "UBUNTU_CODENAME":
			fmt.Fprintf(&b, "%s=%s\n", key, value)
		default:
			fmt.Fprintf(&b, "%s=%q\n", key, value)
		}
	}
	return b.String()
}
