package fetch

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"

	"github.com/galleyhq/galley/internal/netrc"
	"github.com/galleyhq/galley/internal/secret"
)

type bearer struct{ token secret.Text }

// Bearer returns an [Authorizer] that sends a bearer token (RFC 6750).
func Bearer(token secret.Text) Authorizer { return bearer{token} }

// fmt prints the fields of a struct without calling their methods, so the struct
// has one.
func (bearer) Format(w fmt.State, _ rune) { _, _ = io.WriteString(w, "[redacted]") }

func (b bearer) Authorize(r *http.Request) error {
	r.Header.Set("Authorization", "Bearer "+b.token.Reveal())
	return nil
}

type basic struct {
	user string
	pass secret.Text
}

// Basic returns an [Authorizer] that sends a user's name and password (RFC
// 7617).
func Basic(user string, password secret.Text) Authorizer { return basic{user, password} }

func (basic) Format(w fmt.State, _ rune) { _, _ = io.WriteString(w, "[redacted]") }

func (b basic) Authorize(r *http.Request) error {
	r.SetBasicAuth(b.user, b.pass.Reveal())
	return nil
}

type netrcAuth netrc.File

// Netrc returns an [Authorizer] that looks the host up in a .netrc file. A
// host that the file does not name is asked without credentials.
func Netrc(path string) (Authorizer, error) {
	file, err := netrc.Read(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, usage("netrc file %s not found", path)
	case err != nil:
		return nil, &Error{Kind: KindUsage, Msg: "the netrc file " + path, err: err}
	}
	return netrcAuth(file), nil
}

func (netrcAuth) Format(w fmt.State, _ rune) { _, _ = io.WriteString(w, "[redacted]") }

func (n netrcAuth) Authorize(r *http.Request) error {
	m, ok := netrc.File(n).Find(r.URL.Hostname())
	if !ok {
		m, ok = netrc.File(n).Default()
	}
	if ok && (m.Login != "" || m.Password != "") {
		r.SetBasicAuth(m.Login, m.Password.Reveal())
	}
	return nil
}
