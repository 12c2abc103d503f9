package devcloud

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/galleyhq/galley/internal/devcloud/fault"
)

// Client talks to a cloud's daemon.
type Client struct {
	// URL is the cloud's.
	URL   string
	token string
}

// NotRunningError says that no cloud runs with a state directory.
type NotRunningError struct{ Dir string }

func (e *NotRunningError) Error() string {
	return fmt.Sprintf("no embedded cloud is running (state directory %s)", e.Dir)
}

// Hint says how to start one.
func (e *NotRunningError) Hint() string { return "galley devcloud up" }

// Connect finds the cloud that runs with a state directory ([DefaultDir] when
// empty). The error is a *NotRunningError when there is none.
func Connect(ctx context.Context, dir string) (*Client, error) {
	dir, err := resolveDir(dir)
	if err != nil {
		return nil, err
	}
	info, err := readInfo(dir)
	if err != nil {
		return nil, err
	}
	c := &Client{URL: info.URL, token: info.Token}
	short, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	st, err := c.Status(short)
	if err != nil || st.PID != info.PID {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, &NotRunningError{dir} // what the file says is from before a crash
	}
	return c, nil
}

func resolveDir(dir string) (string, error) {
	if dir == "" {
		return DefaultDir()
	}
	return filepath.Abs(dir)
}

func readInfo(dir string) (daemonInfo, error) {
	var info daemonInfo
	data, err := os.ReadFile(filepath.Join(dir, daemonFile))
	if errors.Is(err, fs.ErrNotExist) {
		return info, &NotRunningError{dir}
	}
	if err != nil {
		return info, err
	}
	return info, json.Unmarshal(data, &info)
}

// httpClient keeps no connections: a client's calls are few, and tests look for
// leaks.
var httpClient = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

// GuestMode asks how guests are kept apart from this machine. The first call
// boots one to see.
func (c *Client) GuestMode(ctx context.Context) (GuestMode, error) {
	var m GuestMode
	return m, c.call(ctx, http.MethodGet, "/guests", nil, &m)
}

func (c *Client) call(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		data, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(data)
	}
	return c.send(ctx, method, path, body, out)
}

// send makes one of the daemon's own calls.
func (c *Client) send(ctx context.Context, method, path string, body io.Reader, out any) error {
	req, err := http.NewRequestWithContext(ctx, method, c.URL+adminPrefix+path, body)
	if err != nil {
		return err
	}
	req.Header.Set(tokenHeader, c.token)
	resp, err := httpClient.Do(req)
	if err != nil {
		return fmt.Errorf("the embedded cloud at %s does not answer: %w", c.URL, err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode >= 300 {
		var e struct{ Error string }
		if json.Unmarshal(data, &e) == nil && e.Error != "" {
			return errors.New(e.Error)
		}
		return fmt.Errorf("the embedded cloud at %s answered %s", c.URL, resp.Status)
	}
	if out == nil || len(data) == 0 {
		return nil
	}
	return json.Unmarshal(data, out)
}

// Status is what the cloud says of itself.
func (c *Client) Status(ctx context.Context) (Status, error) {
	var s Status
	return s, c.call(ctx, "GET", "/status", nil, &s)
}

// Resources is what the users of the cloud have made.
func (c *Client) Resources(ctx context.Context) (Resources, error) {
	var r Resources
	return r, c.call(ctx, "GET", "/resources", nil, &r)
}

// Requests are the API calls from number since on, and the sums of all.
func (c *Client) Requests(ctx context.Context, since int) (fault.Log, error) {
	var l fault.Log
	return l, c.call(ctx, "GET", fmt.Sprintf("/requests?since=%d", since), nil, &l)
}

// ResetRequests empties the request log.
func (c *Client) ResetRequests(ctx context.Context) error {
	return c.call(ctx, "DELETE", "/requests", nil, nil)
}

// AddFault puts a rule in force and returns it with its ID.
func (c *Client) AddFault(ctx context.Context, f fault.Rule) (fault.State, error) {
	var s fault.State
	return s, c.call(ctx, "POST", "/faults", f, &s)
}

// Faults are the rules in force.
func (c *Client) Faults(ctx context.Context) ([]fault.State, error) {
	var l []fault.State
	return l, c.call(ctx, "GET", "/faults", nil, &l)
}

// ClearFaults takes a rule out of force, all of them when id is empty, and lets
// go what they hold.
func (c *Client) ClearFaults(ctx context.Context, id string) error {
	if id != "" {
		id = "/" + url.PathEscape(id)
	}
	return c.call(ctx, "DELETE", "/faults"+id, nil, nil)
}

// ReadEnv returns the variables that make a client use the cloud with that
// state directory, running or not, as its RC file exports them.
func ReadEnv(dir string, admin bool) (map[string]string, error) {
	dir, err := resolveDir(dir)
	if err != nil {
		return nil, err
	}
	data, err := os.ReadFile(filepath.Join(dir, envFile(admin)))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &NotRunningError{dir}
	}
	if err != nil {
		return nil, err
	}
	env := map[string]string{}
	return env, json.Unmarshal(data, &env)
}

// RCFile is the path of the RC file in a state directory.
func RCFile(dir string, admin bool) (string, error) {
	dir, err := resolveDir(dir)
	if admin {
		return filepath.Join(dir, adminRCFile), err
	}
	return filepath.Join(dir, rcFile), err
}
