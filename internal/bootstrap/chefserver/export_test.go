package chefserver

import (
	"net/http"
	"net/url"
	"time"
)

// SignForTest returns the headers for a request at a given time.
func SignForTest(s *Signer, method, path string, body []byte, stamp string) (http.Header, error) {
	now, err := time.Parse(time.RFC3339, stamp)
	if err != nil {
		return nil, err
	}
	req := &http.Request{Method: method, URL: &url.URL{Path: path}, Header: http.Header{}}
	return req.Header, s.sign(req, body, now)
}

// IsConflict reports whether err is the answer that a name is taken.
func IsConflict(err error) bool { return hasStatus(err, http.StatusConflict) }
