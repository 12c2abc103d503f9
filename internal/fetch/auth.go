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

// hidden keeps a struct from fmt, which prints the fields of a struct without
// calling their methods.
type hidden struct{}

func (hidden) Format(w fmt.State, _ rune) { _, _ = io.WriteString(w, secret.Redacted) }

type bearer struct {
	hidden
	token secret.Text
}

// Bearer returns an [Authorizer] that sends a bearer token (RFC 6750).
func Bearer(token secret.Text) Authorizer { return bearer{token: token} }

func (b bearer) Authorize(r *http.Request) error {
	r.Header.Set("Authorization", "Bearer "+b.token.Reveal())
	return nil
}

type basic struct {
	hidden
	user string
	pass secret.Text
}

// Basic returns an [Authorizer] that sends a user's name and password (RFC
// 7617).
func Basic(user string, password secret.Text) Authorizer { return basic{user: user, pass: password} }

func (b basic) Authorize(r *http.Request) error {
	r.SetBasicAuth(b.user, b.pass.Reveal())
	return nil
}

type netrcAuth struct {
	hidden
	file netrc.File
}

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
	return netrcAuth{file: file}, nil
}

func (n netrcAuth) Authorize(r *http.Request) error {
	m, ok := n.file.Find(r.URL.Hostname())
	if !ok {
		m, ok = n.file.Default()
	}
	if ok && (m.Login != "" || m.Password != "") {
		r.SetBasicAuth(m.Login, m.Password.Reveal())
	}
	return nil
}
