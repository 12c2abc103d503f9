package fetch

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/galleyhq/galley/internal/secret"
)

// OAuth2 is a client that gets its tokens by the client credentials grant (RFC
// 6749, section 4.4).
type OAuth2 struct {
	TokenURL, ClientID string
	ClientSecret       secret.Text
	// Scope is a list of scopes separated by spaces, "" for the server's
	// default.
	Scope string
	// TLS is how the token endpoint is connected to.
	TLS TLS
}

// maxTokenAnswer bounds the answer of a token endpoint.
const maxTokenAnswer = 1 << 20

// OAuth2Auth returns an [Authorizer] that requests a token before it is needed,
// and another one before that expires or when it is refused.
func OAuth2Auth(c OAuth2) (Authorizer, error) {
	u, err := url.Parse(c.TokenURL)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return nil, usage("the URL of the token endpoint is not an http or https URL")
	}
	if c.ClientID == "" || c.ClientSecret == "" {
		return nil, usage("OAuth2 needs the client's ID and secret besides the URL of the token endpoint")
	}
	return &oauth2Auth{OAuth2: c}, nil
}

type oauth2Auth struct {
	hidden
	OAuth2
	http    *http.Client
	token   secret.Text
	expires time.Time // zero if unknown
}

func (o *oauth2Auth) Authorize(r *http.Request) error {
	const margin = 10 * time.Second
	if o.token == "" || !o.expires.IsZero() && time.Until(o.expires) < margin {
		if err := o.Refresh(r.Context()); err != nil {
			return err
		}
	}
	r.Header.Set("Authorization", "Bearer "+o.token.Reveal())
	return nil
}

// Refresh requests another token.
func (o *oauth2Auth) Refresh(ctx context.Context) error {
	if o.http == nil {
		r := &Request{TLS: o.TLS}
		if err := r.setDefaults(); err != nil {
			return err
		}
		_, away, err := newTransports(r)
		if err != nil {
			return err
		}
		o.http = &http.Client{Transport: away, Timeout: time.Minute, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	}
	form := url.Values{"grant_type": {"client_credentials"}}
	if o.Scope != "" {
		form.Set("scope", o.Scope)
	}
	ask := func(inHeader bool) (*http.Response, []byte, error) {
		body := form
		if !inHeader {
			body = url.Values{"client_id": {o.ClientID}, "client_secret": {o.ClientSecret.Reveal()}}
			for k, v := range form {
				body[k] = v
			}
		}
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, o.TokenURL, strings.NewReader(body.Encode()))
		if err != nil {
			return nil, nil, err
		}
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Accept", "application/json")
		if inHeader {
			r.SetBasicAuth(url.QueryEscape(o.ClientID), url.QueryEscape(o.ClientSecret.Reveal()))
		}
		a, err := o.http.Do(r)
		if err != nil {
			return nil, nil, err
		}
		defer a.Body.Close()
		text, err := io.ReadAll(io.LimitReader(a.Body, maxTokenAnswer))
		return a, text, err
	}
	// Servers must know the header, and some know only the body.
	a, text, err := ask(true) //nolint:bodyclose // ask closes it
	if err == nil && (a.StatusCode == http.StatusUnauthorized || a.StatusCode == http.StatusBadRequest) {
		a, text, err = ask(false) //nolint:bodyclose // ask closes it
	}
	if err != nil {
		return fmt.Errorf("the token endpoint: %s", plainError(err))
	}
	if a.StatusCode != http.StatusOK {
		return fmt.Errorf("the token endpoint answered %d %s", a.StatusCode, serverWords(a.Header.Get("Content-Type"), text))
	}
	var got struct {
		AccessToken secret.Text `json:"access_token"`
		ExpiresIn   json.Number `json:"expires_in"`
	}
	if json.Unmarshal(text, &got) != nil || got.AccessToken == "" {
		return fmt.Errorf("the token endpoint's answer has no access_token")
	}
	o.token, o.expires = got.AccessToken, time.Time{}
	if n, err := got.ExpiresIn.Float64(); err == nil && n > 0 {
		o.expires = time.Now().Add(time.Duration(n * float64(time.Second)))
	}
	return nil
}
