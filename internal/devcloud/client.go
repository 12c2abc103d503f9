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
	"strings"
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

// call makes one of the daemon's own calls, "GET /status". It sends what in
// reads, or in as JSON, and decodes the answer; one without a body gives the
// zero value.
func call[T any](ctx context.Context, c *Client, call string, in any) (out T, err error) {
	body, ok := in.(io.Reader)
	if in != nil && !ok {
		data, err := json.Marshal(in)
		if err != nil {
			return out, err
		}
		body = bytes.NewReader(data)
	}
	method, path, _ := strings.Cut(call, " ")
	req, err := http.NewRequestWithContext(ctx, method, c.URL+adminPrefix+path, body)
	if err != nil {
		return out, err
	}
	req.Header.Set(tokenHeader, c.token)
	resp, err := httpClient.Do(req)
	if err != nil {
		return out, fmt.Errorf("the embedded cloud at %s does not answer: %w", c.URL, err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		return out, err
	}
	if resp.StatusCode >= 300 {
		var e struct{ Error string }
		if json.Unmarshal(data, &e) == nil && e.Error != "" {
			return out, errors.New(e.Error)
		}
		return out, fmt.Errorf("the embedded cloud at %s answered %s", c.URL, resp.Status)
	}
	if len(data) > 0 {
		err = json.Unmarshal(data, &out)
	}
	return out, err
}

// Status is what the cloud says of itself.
func (c *Client) Status(ctx context.Context) (Status, error) {
	return call[Status](ctx, c, "GET /status", nil)
}

// Env are the variables that make a client use the cloud, as the user's or the
// administrator's RC file exports them.
func (c *Client) Env(ctx context.Context, admin bool) (map[string]string, error) {
	return call[map[string]string](ctx, c, fmt.Sprintf("GET /env?admin=%t", admin), nil)
}

// GuestMode asks how guests are kept apart from this machine. The first call
// boots one to see.
func (c *Client) GuestMode(ctx context.Context) (GuestMode, error) {
	return call[GuestMode](ctx, c, "GET /guests", nil)
}

// Resources is what the users of the cloud have made.
func (c *Client) Resources(ctx context.Context) (Resources, error) {
	return call[Resources](ctx, c, "GET /resources", nil)
}

// Requests are the API calls from number since on, and the sums of all.
func (c *Client) Requests(ctx context.Context, since int) (fault.Log, error) {
	return call[fault.Log](ctx, c, fmt.Sprintf("GET /requests?since=%d", since), nil)
}

// ResetRequests empties the request log.
func (c *Client) ResetRequests(ctx context.Context) error {
	_, err := call[any](ctx, c, "DELETE /requests", nil)
	return err
}

// AddFault puts a rule in force and returns it with its ID.
func (c *Client) AddFault(ctx context.Context, f fault.Rule) (fault.State, error) {
	return call[fault.State](ctx, c, "POST /faults", f)
}

// Faults are the rules in force.
func (c *Client) Faults(ctx context.Context) ([]fault.State, error) {
	return call[[]fault.State](ctx, c, "GET /faults", nil)
}

// ClearFaults takes a rule out of force, all of them when id is empty, and lets
// go what they hold.
func (c *Client) ClearFaults(ctx context.Context, id string) error {
	if id != "" {
		id = "/" + url.PathEscape(id)
	}
	_, err := call[any](ctx, c, "DELETE /faults"+id, nil)
	return err
}
