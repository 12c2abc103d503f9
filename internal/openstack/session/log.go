package session

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/galleyhq/galley/internal/secret"
	"github.com/galleyhq/galley/internal/text"
)

func (x *exchange) log(req *http.Request, resp *http.Response, err error, try int, took time.Duration) {
	if x.debug == nil {
		return
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s", req.Method, req.URL.Redacted())
	if body := redactedBody(req); body != "" {
		b.WriteString(" " + body)
	}
	if try > 1 {
		fmt.Fprintf(&b, " (try %d)", try)
	}
	if err != nil {
		fmt.Fprintf(&b, " -> %v", err)
	} else {
		fmt.Fprintf(&b, " -> %d", resp.StatusCode)
		if id := resp.Header.Get("X-Openstack-Request-Id"); id != "" {
			b.WriteString(" " + id)
		}
	}
	fmt.Fprintf(&b, " in %s", took.Round(time.Millisecond))
	x.debug("%s", b.String())
}

// traceLine is a request and its outcome in a few words.
func traceLine(req *http.Request, resp *http.Response, err error) string {
	outcome := "no answer"
	if err == nil {
		outcome = strconv.Itoa(resp.StatusCode)
	}
	return req.Method + " " + req.URL.Path + ": " + outcome
}

// redactedBody gives the JSON body of a request with its secrets hidden. Of a
// login nothing is shown.
func redactedBody(req *http.Request) string {
	if req.GetBody == nil || strings.HasSuffix(req.URL.Path, "/tokens") {
		return ""
	}
	r, err := req.GetBody()
	if err != nil {
		return ""
	}
	defer r.Close()
	var v any
	if json.NewDecoder(io.LimitReader(r, 1<<20)).Decode(&v) != nil {
		return ""
	}
	out, err := json.Marshal(hide(v))
	if err != nil {
		return ""
	}
	const most = 2000
	return text.Shorten(string(out), most)
}

var secretKeys = map[string]bool{
	"adminpass": true, "password": true, "user_data": true, "secret": true, "private_key": true, "token": true, "personality": true,
}

func hide(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k := range v {
			if secretKeys[strings.ToLower(k)] {
				v[k] = secret.Redacted
			} else {
				v[k] = hide(v[k])
			}
		}
	case []any:
		for i := range v {
			v[i] = hide(v[i])
		}
	}
	return v
}
