package object

import (
	"bufio"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/galleyhq/galley/internal/devcloud/api"
)

// capabilities are what GET /info says.
var capabilities = api.Obj{
	"swift": api.Obj{
		"version": "2.33.0", "max_file_size": maxSize, "max_object_name_length": maxName, "max_container_name_length": 256,
		"container_listing_limit": listingLimit, "account_listing_limit": listingLimit, "account_autocreate": true,
	},
	"bulk_delete": api.Obj{"max_deletes_per_request": maxDeletes, "max_failed_deletes": 1000},
	"tempurl": api.Obj{
		"methods": []string{"GET", "HEAD", "PUT", "POST", "DELETE"}, "allowed_digests": []string{"sha1", "sha256", "sha512"},
	},
}

const maxDeletes = 10000

// admit refuses a caller who may not do what it asks. A caller is known by a
// token or by the signature of a temporary URL; a container's access lists let
// in others.
func (s *Service) admit(c *call) error {
	unauthorized := &api.Error{
		Status: http.StatusUnauthorized, Header: http.Header{"Www-Authenticate": {fmt.Sprintf("Keystone uri=%q", s.AuthURL)}},
		Message: "This server could not verify that you are authorized to access the document you requested.",
	}
	if q := c.URL.Query(); q.Has("temp_url_sig") {
		if !s.signed(c, q) {
			return unauthorized
		}
		return nil
	}
	auth := s.Authenticate(c.Header.Get("X-Auth-Token"))
	if auth != nil && (c.account == "AUTH_"+auth.ProjectID || auth.Admin()) {
		return nil
	}
	header := "X-Container-Write"
	reads := c.Method == http.MethodGet || c.Method == http.MethodHead
	if reads {
		header = "X-Container-Read"
	}
	if c.container != "" && (reads || c.object != "") {
		container, _ := s.store.info(c.account, c.container)
		if listed(container.Meta[header], auth, c.object != "") {
			return nil
		}
	}
	if auth == nil {
		return unauthorized
	}
	return api.Forbidden("Access was denied to this resource.")
}

// listed tells whether an access list has the caller: ".r:*" for everybody's
// reads of objects, ".rlistings" with it for listings, "project:user" with
// stars for others.
func listed(list string, auth *api.Auth, object bool) bool {
	entries := strings.Split(strings.ReplaceAll(list, " ", ""), ",")
	if slices.Contains(entries, ".r:*") && (object || slices.Contains(entries, ".rlistings")) {
		return true
	}
	if auth == nil {
		return false
	}
	return slices.ContainsFunc(entries, func(e string) bool {
		project, user, ok := strings.Cut(e, ":")
		return ok && (project == "*" || project == auth.ProjectID) && (user == "*" || user == auth.UserID)
	})
}

// signed tells whether a temporary URL is good: signed with one of the account's
// or the container's keys, and not expired.
func (s *Service) signed(c *call, q url.Values) bool {
	expires, err := strconv.ParseInt(q.Get("temp_url_expires"), 10, 64)
	if err != nil {
		t, err := time.Parse(time.RFC3339, q.Get("temp_url_expires"))
		if err != nil {
			return false
		}
		expires = t.Unix()
	}
	sig, err := hex.DecodeString(q.Get("temp_url_sig"))
	if err != nil || c.object == "" || time.Now().Unix() > expires {
		return false
	}
	digest, ok := map[int]func() hash.Hash{sha1.Size: sha1.New, sha256.Size: sha256.New, sha512.Size: sha512.New}[len(sig)]
	if !ok {
		return false
	}
	container, _ := s.store.info(c.account, c.container)
	account, _ := s.store.info(c.account)
	var keys []string
	for _, n := range []string{"", "-2"} {
		keys = append(keys, account.Meta["X-Account-Meta-Temp-Url-Key"+n], container.Meta["X-Container-Meta-Temp-Url-Key"+n])
	}
	methods := []string{c.Method}
	if c.Method == http.MethodHead { // also granted with a read or a write
		methods = append(methods, http.MethodGet, http.MethodPut)
	}
	// The path as the client wrote it, or unescaped: clients sign either.
	escaped := strings.TrimPrefix(c.URL.EscapedPath(), s.Prefix)
	plain := strings.TrimPrefix(c.URL.Path, s.Prefix)
	for _, key := range keys {
		for _, m := range methods {
			for _, path := range []string{plain, escaped} {
				mac := hmac.New(digest, []byte(key))
				fmt.Fprintf(mac, "%s\n%d\n%s", m, expires, path)
				if key != "" && hmac.Equal(mac.Sum(nil), sig) {
					return true
				}
			}
		}
	}
	return false
}

// bulkDelete removes the objects and containers that the body names, a line
// each.
func (s *Service) bulkDelete(c *call) error {
	deleted, missing := 0, 0
	left := [][]string{}
	lines := bufio.NewScanner(http.MaxBytesReader(c.w, c.Body, maxDeletes*(maxName+256)))
	for n := 0; lines.Scan() && n < maxDeletes; n++ {
		name, err := url.PathUnescape(strings.TrimPrefix(strings.TrimSpace(lines.Text()), "/"))
		if name == "" {
			continue
		}
		container, object, _ := strings.Cut(name, "/")
		path := []string{c.account, container}
		if object != "" {
			path = append(path, object)
		}
		if err == nil {
			err = s.store.remove(path...)
		}
		switch {
		case err == nil:
			deleted++
		case errors.Is(err, errMissing):
			missing++
		case errors.Is(err, errNotEmpty):
			left = append(left, []string{name, "409 Conflict"})
		default:
			return err
		}
	}
	status := "200 OK"
	if len(left) > 0 {
		status = "400 Bad Request"
	}
	return c.json(api.Obj{
		"Response Status": status, "Response Body": "", "Number Deleted": deleted, "Number Not Found": missing, "Errors": left,
	})
}

// copyObject makes another object with the data and the metadata of one.
func (s *Service) copyObject(c *call) error {
	to, err := url.PathUnescape(strings.TrimPrefix(c.Header.Get("Destination"), "/"))
	container, object, ok := strings.Cut(to, "/")
	if err != nil || !ok || object == "" {
		return failed("Destination header must be of the form <container name>/<object name>")
	}
	o, f, err := s.store.open(c.account, c.container, c.object)
	if err != nil {
		return err
	}
	defer f.Close()
	next := info{Name: object, Type: o.Type, Meta: o.Meta}
	set(c.meta("Object"))(&next)
	next, err = s.store.put(c.account, container, next, f, "")
	if err != nil {
		return err
	}
	c.set("Etag", next.ETag)
	c.set("X-Copied-From", url.PathEscape(c.container)+"/"+url.PathEscape(c.object))
	return c.done(http.StatusCreated)
}
