package install

import (
	_ "embed"
	"fmt"
	"net/url"
	"path"
	"slices"
	"strings"

	"al.essio.dev/pkg/shellescape"
)

// script is the part of the installer that is the same for all.
//
//go:embed install.sh
var script string

// Strategy is when to install.
type Strategy string

// The strategies (Test Kitchen: install_strategy).
const (
	// Once installs unless the product is there, whatever its version.
	Once Strategy = "once"
	// Always installs unless exactly the wanted package is there.
	Always Strategy = "always"
	// Match installs unless the version that is there begins with the wanted
	// one (Test Kitchen: require_chef_omnibus with a version).
	Match Strategy = "match"
	// Skip installs nothing.
	Skip Strategy = "skip"
)

// Request is what a configuration asks for.
type Request struct {
	// Product is the product's name, as "chef", "cinc" or "chef-workstation";
	// "" is "chef".
	Product string
	// Version is a version or the beginning of one; "" and "latest" are the
	// newest.
	Version string
	// Channel is "stable", "current" or "unstable"; "" is "stable".
	Channel string
	// Strategy is when to install; "" is [Once].
	Strategy Strategy
	// Platform, PlatformVersion and Architecture replace what the machine
	// says of itself.
	Platform, PlatformVersion, Architecture string
	// URL is the package itself, SHA256 the checksum it must have.
	URL, SHA256 string
	// ScriptURL is an installer of the user's own, which gets ScriptOptions
	// (Test Kitchen: chef_omnibus_url, chef_omnibus_install_options).
	ScriptURL, ScriptOptions string
	// License is a key for Chef's licensed downloads.
	License string
	// Index is the address of a package index (Omnitruck's interface) to use
	// instead of the products' own, as that of a mirror.
	Index string
	// Root is the directory on the machine that the package installs to;
	// "" is /opt/ and the product's name.
	Root string
	// CurlOptions and WgetOptions are given to the program that downloads,
	// words of the shell (knife: --bootstrap-curl-options,
	// --bootstrap-wget-options).
	CurlOptions, WgetOptions string
}

// The package indices. The public one of Chef is not among them: it ends in
// 2026.
const (
	cincIndex      = "https://omnitruck.cinc.sh"
	chefCommercial = "https://chefdownload-commercial.chef.io"
	chefTrial      = "https://chefdownload-trial.chef.io"
)

// Plan is what will be done for a [Request].
type Plan struct {
	// Product is what will be installed, another than asked for where Cinc
	// takes Chef's place.
	Product string
	// Roots are the directories in which a client may be found, best first.
	Roots []string
	// Notice is one line for the user, "" when all is as asked for.
	Notice string
	// Licensed says that Chef itself is installed, whose licence must be
	// accepted.
	Licensed bool

	req Request
	api string
}

// RequestError refuses a request.
type RequestError struct{ Msg, Advice string }

func (e *RequestError) Error() string { return e.Msg }

// Hint tells what to write instead.
func (e *RequestError) Hint() string { return e.Advice }

// substitutes are Cinc's names of Chef's products.
var substitutes = map[string]string{
	"chef":              "cinc",
	"chef-infra-client": "cinc",
	"chef-workstation":  "cinc-workstation",
	"chefdk":            "cinc-workstation",
	"inspec":            "cinc-auditor",
	"chef-server":       "cinc-server",
}

// isCinc says whether a product is one of Cinc's.
func isCinc(product string) bool { return product == "cinc" || strings.HasPrefix(product, "cinc-") }

// vendors are the hosts of Chef's own public installers, which go away, so
// that naming one does not name another source.
var vendors = []string{"chef.io", "getchef.com", "opscode.com"}

// vendorHost says whose installer an address is: "chef", "cinc" or "".
func vendorHost(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	under := func(domain string) bool {
		h := strings.ToLower(u.Hostname())
		return h == domain || strings.HasSuffix(h, "."+domain)
	}
	switch {
	case under("cinc.sh"):
		return "cinc"
	case slices.ContainsFunc(vendors, under):
		return "chef"
	}
	return ""
}

// Make decides how to answer a request.
func Make(r Request) (*Plan, error) {
	if err := r.normalise(); err != nil {
		return nil, err
	}
	p := &Plan{Product: r.Product, req: r}
	asked := "/opt/" + r.Product
	switch {
	case r.Strategy == Skip:
		p.Licensed = !isCinc(r.Product)
		// Nothing is known of where it came from.
		p.Roots = unique(r.Root, asked, "/opt/"+substitutes[r.Product], "/opt/cinc", "/opt/chef")
		return p, nil
	case r.URL != "":
		// A package of Cinc answers the request for Chef.
		if s := substitutes[r.Product]; s != "" && strings.Contains(path.Base(r.URL), s) {
			p.Product = s
		}
	case r.ScriptURL != "" && vendorHost(r.ScriptURL) == "":
		p.Roots = unique(r.Root, asked, "/opt/"+substitutes[r.Product])
	case r.Index != "":
		p.api = r.Index
	case isCinc(r.Product):
		p.api = cincIndex
	case vendorHost(r.ScriptURL) == "cinc":
		p.api = cincIndex
		p.Product = substitutes[r.Product]
	case r.License != "":
		p.api = chefCommercial
		if strings.HasPrefix(r.License, "free-") || strings.HasPrefix(r.License, "trial-") {
			p.api = chefTrial
		}
	default:
		p.api = cincIndex
		p.Product = substitutes[r.Product]
		if p.Product != "" {
			p.Notice = p.notice()
		}
	}
	if p.Product == "" {
		return nil, &RequestError{
			Msg:    fmt.Sprintf("the product %q is not available without a source: Chef's public downloads have ended, and Cinc has no counterpart of it", r.Product),
			Advice: "name the package by download_url, an installer by chef_omnibus_url, or give a licence key (chef_license_key)",
		}
	}
	if isCinc(p.Product) && p.req.Channel == "current" && p.api == cincIndex {
		// Cinc's index has two channels.
		p.req.Channel = "unstable"
	}
	p.Licensed = !isCinc(p.Product)
	if p.Roots == nil {
		// An image may have the requested product.
		p.Roots = unique(r.Root, "/opt/"+p.Product, asked)
	}
	return p, nil
}

func (p *Plan) notice() string {
	version := p.req.Version
	if version == "" {
		version = "(latest)"
	}
	return fmt.Sprintf("Chef's public downloads have ended: taking %s %s, the same program built by the Cinc project (a licence key, download_url or an installer of your own gets Chef)",
		title(p.Product), version)
}

func title(product string) string {
	if product == "cinc" {
		return "Cinc Client"
	}
	words := strings.Split(product, "-")
	for i, w := range words {
		if w != "" {
			words[i] = strings.ToUpper(w[:1]) + w[1:]
		}
	}
	return strings.Join(words, " ")
}

func unique(paths ...string) []string {
	var out []string
	for _, p := range paths {
		if p != "" && p != "/opt/" && !slices.Contains(out, p) {
			out = append(out, p)
		}
	}
	return out
}

// normalise fills in defaults and refuses invalid values.
func (r *Request) normalise() error {
	if r.Product == "" {
		r.Product = "chef"
	}
	if r.Version == "latest" {
		r.Version = ""
	}
	if r.Channel == "" {
		r.Channel = "stable"
	}
	if r.Strategy == "" {
		r.Strategy = Once
	}
	if err := r.scriptOptions(); err != nil {
		return err
	}
	for name, v := range map[string]string{"product": r.Product, "version": r.Version, "channel": r.Channel, "platform": r.Platform, "platform_version": r.PlatformVersion, "architecture": r.Architecture, "licence key": r.License} {
		// They become parts of addresses and paths.
		if i := strings.IndexFunc(v, func(c rune) bool {
			return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && !strings.ContainsRune("._-+~", c)
		}); i >= 0 || strings.Contains(v, "..") {
			if name == "licence key" {
				v = "that is given"
			}
			return &RequestError{Msg: fmt.Sprintf("%q is not a valid %s of a package", v, name)}
		}
	}
	switch r.Strategy {
	case Once, Always, Match, Skip:
	default:
		return &RequestError{Msg: fmt.Sprintf("the install strategy %q is none of once, always and skip", r.Strategy)}
	}
	if r.SHA256 != "" && (len(r.SHA256) != 64 || strings.Trim(r.SHA256, "0123456789abcdefABCDEF") != "") {
		return &RequestError{Msg: fmt.Sprintf("the checksum %q is no SHA-256 (64 hexadecimal digits)", r.SHA256)}
	}
	if r.Root != "" && (!path.IsAbs(r.Root) || path.Clean(r.Root) == "/") {
		return &RequestError{Msg: fmt.Sprintf("the directory %q is not an absolute path below /", r.Root)}
	}
	for _, address := range []string{r.URL, r.ScriptURL, r.Index} {
		if address == "" {
			continue
		}
		if u, err := url.Parse(address); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" && u.Scheme != "ftp" {
			return &RequestError{Msg: fmt.Sprintf("%q is not an http, https or ftp address", address)}
		}
	}
	r.Index = strings.TrimRight(r.Index, "/")
	return nil
}

// scriptOptions reads the options of the vendor's install.sh that Galley's own
// installer has as well; an installer of the user's own gets them as they are.
func (r *Request) scriptOptions() error {
	if r.ScriptOptions == "" || r.ScriptURL != "" && vendorHost(r.ScriptURL) == "" {
		return nil
	}
	words := strings.Fields(r.ScriptOptions)
	r.ScriptOptions = ""
	for i := 0; i < len(words); i++ {
		to := map[string]*string{"-P": &r.Product, "-c": &r.Channel, "-v": &r.Version, "-l": &r.URL, "-s": nil, "-L": &r.License}[words[i]]
		switch {
		case words[i] == "-p":
			r.Channel = "current" // prerelease
		case words[i] == "-n":
			r.Channel = "unstable" // nightlies
		case words[i] == "-s" && i+1 < len(words):
			i++
			r.Strategy = Strategy(words[i])
		case to != nil && i+1 < len(words):
			i++
			*to = words[i]
		default:
			return &RequestError{
				Msg:    fmt.Sprintf("the option %q of chef_omnibus_install_options has no meaning for Galley's installer", words[i]),
				Advice: "product_name, product_version, channel and install_strategy say the same; an installer of your own (chef_omnibus_url) gets all options",
			}
		}
	}
	if r.Version == "latest" {
		r.Version = ""
	}
	return nil
}

// exact says whether a version names one release.
func exact(version string) bool { return strings.Count(version, ".") >= 2 }

// Find returns shell code that prints the directory of the client to use, the
// first of [Plan.Roots] that has a client which satisfies the request, and a
// word why it has to be installed otherwise. It asks no network.
func (p *Plan) Find() string {
	want := ""
	switch {
	case p.req.Strategy == Match, p.req.Strategy == Always && exact(p.req.Version):
		want = p.req.Version
	case p.req.Strategy == Always:
		// Whether it is the newest is known to the index alone.
		return "echo missing"
	}
	return p.find(want)
}

// FindAny is [Plan.Find] without regard to version and strategy, for the time
// after the installation.
func (p *Plan) FindAny() string { return p.find("") }

func (p *Plan) find(want string) string {
	var b strings.Builder
	b.WriteString("for d in")
	for _, r := range p.Roots {
		b.WriteString(" " + shellescape.Quote(r))
	}
	b.WriteString("; do\n[ -d \"$d/bin\" ] || continue\n")
	if want != "" {
		// The manifest names the version without starting Ruby.
		b.WriteString("v=$(sed -n '1s/^[^ ]* *//p' \"$d/version-manifest.txt\" 2>/dev/null)\n" +
			"[ -n \"$v\" ] || for c in " + strings.Join(clients, " ") + "; do [ -x \"$d/bin/$c\" ] && v=$(\"$d/bin/$c\" -v 2>/dev/null | sed -n 's/.*[: ]\\([0-9][0-9.]*\\).*/\\1/p') && break; done\n" +
			"case $v in " + shellescape.Quote(want) + "|" + shellescape.Quote(want) + ".*|" + shellescape.Quote(want) + "[-+~]*) ;; *) continue ;; esac\n")
	}
	b.WriteString("echo \"found $d\"; exit 0\ndone\necho missing")
	return b.String()
}

// clients are the names under which a client's version can be asked.
var clients = []string{"cinc-client", "chef-client", "cinc-solo", "chef-solo"}

// Found reads what [Plan.Find] printed.
func Found(out string) (root string, ok bool) {
	for line := range strings.Lines(out) {
		if r, found := strings.CutPrefix(strings.TrimSpace(line), "found "); found {
			return r, true
		}
	}
	return "", false
}

// Script is the installer. It holds the licence key, where there is one, and
// is to be kept from others. Run by sh and root it ends with status 0 when the
// package is there; see [Explain] for the others.
func (p *Plan) Script() []byte {
	r := p.req
	root := r.Root
	if root == "" {
		root = "/opt/" + p.Product
	}
	scriptURL, options := "", ""
	if p.api == "" && r.URL == "" {
		scriptURL = r.ScriptURL
		if r.Version != "" {
			options = "-v " + shellescape.Quote(r.Version)
		}
		options = strings.TrimSpace(options + " " + r.ScriptOptions)
	}
	var b strings.Builder
	b.WriteString("#!/bin/sh\n")
	for _, v := range [][2]string{
		{"product", p.Product},
		{"version", r.Version},
		{"channel", r.Channel},
		{"platform", r.Platform},
		{"platform_version", r.PlatformVersion},
		{"architecture", r.Architecture},
		{"url", r.URL},
		{"sha256", r.SHA256},
		{"api", p.api},
		{"license", p.license()},
		{"root", root},
		{"script_url", scriptURL},
		{"script_options", options},
		{"curl_options", r.CurlOptions},
		{"wget_options", r.WgetOptions},
	} {
		b.WriteString(v[0] + "=" + shellescape.Quote(v[1]) + "\n")
	}
	b.WriteString(script)
	return []byte(b.String())
}

// license is the key to send; nobody but who asks for it gets it.
func (p *Plan) license() string {
	if p.api == cincIndex {
		return ""
	}
	return p.req.License
}

// ExitError tells why the installer ended.
type ExitError struct {
	// Product is the requested product, Status the installer's status.
	Product string
	Status  int
	// Why is the installer's last word, may be empty.
	Why string
}

func (e *ExitError) Error() string {
	if e.Why == "" {
		return fmt.Sprintf("installing %s failed with exit status %d", e.Product, e.Status)
	}
	return fmt.Sprintf("installing %s failed: %s", e.Product, e.Why)
}

// Hint tells what to do about it.
func (e *ExitError) Hint() string {
	switch e.Status {
	case 80:
		return "install curl, wget, python or perl on the machine (lifecycle: post_create), or use an image with the client in it"
	case 81:
		return "set platform and platform_version, or name a package by download_url"
	case 82:
		return "see whether product_version, channel, platform and platform_version name something that exists, or name a package by download_url"
	case 83:
		return "does the machine reach that address? http_proxy and https_proxy, omnitruck_url for a mirror, or download_url for a package of your own help where it does not"
	case 84:
		return "compare the checksum with the publisher's; behind a proxy that changes downloads, use download_url with your own mirror"
	case 85, 88:
		return "the installer's output above tells more"
	case 86:
		return "leave sudo on (sudo: true), or log in as root"
	case 87:
		return "install coreutils or openssl on the machine"
	}
	return ""
}

// Explain returns the error for an installer that ended with status after
// writing output, nil for status 0.
func (p *Plan) Explain(status int, output []string) error {
	if status == 0 {
		return nil
	}
	e := &ExitError{Product: p.Product, Status: status}
	for _, line := range slices.Backward(output) {
		if why, ok := strings.CutPrefix(strings.TrimSpace(line), ">>>>>> "); ok {
			e.Why = why
			break
		}
	}
	return e
}

// Identity is a text that differs between plans that may install different
// things. It holds no licence key.
func (p *Plan) Identity() string {
	r := p.req
	return fmt.Sprintf("%q", []string{
		p.Product, r.Version, r.Channel, string(r.Strategy), r.Platform, r.PlatformVersion, r.Architecture,
		r.URL, r.SHA256, r.ScriptURL, r.ScriptOptions, r.Index, r.Root,
	})
}
