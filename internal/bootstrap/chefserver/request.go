package chefserver

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode"

	"github.com/galleyhq/galley/internal/bootstrap/limit"
	"github.com/galleyhq/galley/internal/retry"
	"github.com/galleyhq/galley/internal/secret"
	"github.com/galleyhq/galley/internal/text"
)

// maxBody bounds the size of an answer, in bytes.
const maxBody = 32 << 20

// item is the path of one object, "" for a name that would lead elsewhere, as
// "..", which Do refuses.
func item(kind, name string) string {
	if name == "" || name == "." || name == ".." || strings.ContainsAny(name, "/\\") || strings.ContainsFunc(name, unicode.IsControl) {
		return badItem + kind + "/" + name
	}
	return kind + "/" + url.PathEscape(name)
}

// badItem marks the path of an object that must not be asked for.
const badItem = "\x00"

// Do sends a signed request: in is sent as JSON, unless nil, and the JSON answer
// read into out, unless nil. path is relative to the server's URL. An answer
// that is not a success is an [*Error].
func (c *Client) Do(ctx context.Context, method, path string, in, out any) error {
	if bad, ok := strings.CutPrefix(path, badItem); ok {
		kind, name, _ := strings.Cut(bad, "/")
		return &NameError{Kind: strings.TrimSuffix(kind, "s"), Name: name}
	}
	var body []byte
	if in != nil {
		var err error
		if body, err = json.Marshal(in); err != nil {
			return fmt.Errorf("writing the request for %s: %w", path, err)
		}
	}
	u := c.base.JoinPath(path)
	data, err := c.exchange(ctx, method, u, body)
	if err != nil || out == nil {
		return err
	}
	if len(bytes.TrimSpace(data)) == 0 {
		return &EmptyError{method, u.String()}
	}
	if err := json.Unmarshal(data, out); err != nil {
		return fmt.Errorf("the Chef Server's answer to %s %s is not the expected JSON: %w", method, secret.URL(u.String()), err)
	}
	return nil
}

// exchange sends a request, again where that is safe: a request that was not
// sent, or that the server put off (429, 503), always; any other failure that
// may pass only where the request changes nothing or may be repeated.
func (c *Client) exchange(ctx context.Context, method string, u *url.URL, body []byte) ([]byte, error) {
	var data []byte
	policy, start := c.Retry, time.Now()
	policy.OnPause = func(p retry.Pause) {
		if c.Waiting != nil {
			c.Waiting("the Chef Server at "+c.base.Host, p.Cause.Error(), start)
		}
	}
	err := policy.Do(ctx, func(ctx context.Context) error {
		header, answer, err := c.send(ctx, method, u, body)
		data = answer
		if err == nil {
			return nil
		}
		repeatable := method != http.MethodPost
		var refused *Error
		if errors.As(err, &refused) {
			putOff := refused.Status == http.StatusTooManyRequests || refused.Status == http.StatusServiceUnavailable
			if !putOff && !(repeatable && retry.Status(refused.Status)) {
				return err
			}
			after, _ := retry.After(header, c.now())
			return retry.Again(err, after)
		}
		if retry.NotSent(err) || repeatable && retry.Transient(err) {
			return retry.Again(err, 0)
		}
		return err
	})
	return data, err
}

// maxRedirects bounds the redirects on the same server.
const maxRedirects = 5

// send sends a request once, following redirects of a GET on the same server.
func (c *Client) send(ctx context.Context, method string, u *url.URL, body []byte) (http.Header, []byte, error) {
	for range maxRedirects {
		header, data, location, err := c.sendTo(ctx, method, u, body)
		if location == "" {
			return header, data, err
		}
		to, perr := u.Parse(location)
		if perr != nil || to.Scheme != u.Scheme || to.Host != u.Host || method != http.MethodGet {
			return nil, nil, &RedirectError{From: u.String(), To: location}
		}
		u = to
	}
	return nil, nil, &RedirectError{From: u.String(), To: "itself"}
}

func (c *Client) sendTo(ctx context.Context, method string, u *url.URL, body []byte) (header http.Header, data []byte, location string, err error) {
	req, err := http.NewRequestWithContext(ctx, method, u.String(), bytes.NewReader(body))
	if err != nil {
		return nil, nil, "", err
	}
	req.Header.Set("Accept", "application/json")
	// Servers refuse clients whose version they do not know to be recent.
	req.Header.Set("X-Chef-Version", "18.0.0")
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	// The signature has a time in it: each attempt has its own.
	if err := c.signer.sign(req, body, c.now()); err != nil {
		return nil, nil, "", err
	}
	if c.Waiting != nil {
		defer retry.Every(time.Second, func(since time.Time) {
			c.Waiting("the Chef Server at "+c.base.Host, "no answer yet", since)
		})()
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, nil, "", &ReachError{URL: c.base.String(), Err: err}
	}
	defer resp.Body.Close()
	what := fmt.Sprintf("the Chef Server's answer to %s %s", method, secret.URL(u.String()))
	data, err = io.ReadAll(limit.Reader(resp.Body, what, maxBody))
	if err != nil {
		var long *limit.Error
		if errors.As(err, &long) {
			return nil, nil, "", err
		}
		return nil, nil, "", fmt.Errorf("reading %s: %w", what, err)
	}
	switch {
	case resp.StatusCode >= 300 && resp.StatusCode < 400 && resp.Header.Get("Location") != "":
		return resp.Header, nil, resp.Header.Get("Location"), nil
	case resp.StatusCode >= 300:
		return resp.Header, nil, "", &Error{Method: method, URL: u.String(), Status: resp.StatusCode, Messages: messages(data)}
	}
	return resp.Header, data, "", nil
}

// messages reads the server's words: {"error": ["…"]} or {"error": "…"}.
func messages(data []byte) []string {
	var body struct {
		Error json.RawMessage `json:"error"`
	}
	if json.Unmarshal(data, &body) != nil {
		return nil
	}
	var list []string
	if json.Unmarshal(body.Error, &list) != nil {
		var one string
		if json.Unmarshal(body.Error, &one) == nil && one != "" {
			list = []string{one}
		}
	}
	for i, m := range list {
		list[i] = text.Shorten(text.CleanLine(m), maxMessage)
	}
	return list
}

// maxMessage bounds one of the server's messages, in bytes.
const maxMessage = 1000
