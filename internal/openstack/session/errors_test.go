package session

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/galleyhq/galley/internal/credentials"
	"github.com/gophercloud/gophercloud/v2"
)

func TestFaultText(t *testing.T) {
	for body, want := range map[string]string{
		`{"badRequest": {"code": 400, "message": "Invalid key_name provided."}}`:               "Invalid key_name provided",
		`{"forbidden": {"message": "Quota exceeded for instances: Requested 1", "code": 403}}`: "Quota exceeded for instances: Requested 1",
		`{"NeutronError": {"type": "OverQuota", "message": "Quota exceeded.", "detail": ""}}`:  "Quota exceeded",
		`{"NeutronError": "plain"}`: "plain",
		`{"error": {"message": "The request you have made requires authentication.", "code": 401}}`: "The request you have made requires authentication",
		`{"message": {"message": "deep"}}`: "deep",
		"<html><head><title>404 Not Found</title></head><body><h1>404</h1>No image &amp; no luck<br/>": "404 No image & no luck",
		"": "", "null": "", "[]": "", `{"a":{"b":{"c":{"d":{"e":{"message":"too deep"}}}}}}`: "",
		"upstream connect error": "upstream connect error",
	} {
		if got := faultText([]byte(body)); got != want {
			t.Errorf("%s: %q, want %q", body, got, want)
		}
	}
	if got := faultText([]byte(strings.Repeat("word ", 1000))); len(got) > 600 {
		t.Errorf("%d characters", len(got))
	}
}

func TestExplain(t *testing.T) {
	answer := func(code int, body string) error {
		return gophercloud.ErrUnexpectedResponseCode{Method: "POST", URL: "http://h/x", Actual: code, Body: []byte(body), ResponseHeader: http.Header{"X-Openstack-Request-Id": {"req-7"}}}
	}
	for _, c := range []struct {
		err  error
		kind Kind
		hint string
	}{
		{answer(403, `{"forbidden":{"message":"Quota exceeded for cores"}}`), Quota, "destroy"},
		{answer(413, `{"overLimit":{"message":"VolumeLimitExceeded: Maximum number of volumes allowed (10) exceeded for quota 'volumes'."}}`), Quota, "destroy"},
		{answer(409, `{"NeutronError":{"type":"OverQuota","message":"Quota exceeded for resources: ['floatingip']."}}`), Quota, "destroy"},
		{answer(409, `{"NeutronError":{"type":"IpAddressGenerationFailure","message":"No more IP addresses available on network x."}}`), EmptyPool, "release"},
		{answer(409, `{"conflictingRequest":{"message":"Multiple possible networks found, use a Network ID to be more specific."}}`), Ambiguous, "network_ref"},
		{answer(400, `{"badRequest":{"message":"Flavor's disk is too small for requested image."}}`), Invalid, "bigger flavor"},
		{answer(401, `{"error":{"message":"no"}}`), Unauthorized, "password"},
		{answer(403, `{"forbidden":{"message":"Policy doesn't allow it"}}`), Forbidden, "roles"},
		{answer(404, ``), NotFound, ""},
		{answer(500, `{"computeFault":{"message":"Unexpected API Error."}}`), Other, "trouble inside"},
	} {
		err := Explain(`create the server "web"`, c.err)
		if KindOf(err) != c.kind || !strings.Contains(err.(*Error).Hint(), c.hint) {
			t.Errorf("%v: kind %q, hint %q", err, KindOf(err), err.(*Error).Hint())
		}
		text := err.Error()
		if !strings.HasPrefix(text, `cannot create the server "web"`) || strings.Contains(text, "{") || strings.HasSuffix(text, ".") {
			t.Errorf("%s", text)
		}
		if !IsStatus(err, c.err.(gophercloud.ErrUnexpectedResponseCode).Actual) {
			t.Errorf("%s: the status is lost", text)
		}
		if Explain("do more", err) != err {
			t.Error("explained twice")
		}
	}
	if text := Explain("x", answer(500, `{"f":{"message":"Oops"}}`)).Error(); !strings.Contains(text, "req-7") {
		t.Error(text)
	}
}

func FuzzFaultText(f *testing.F) {
	f.Add([]byte(`{"badRequest":{"message":"x"}}`))
	f.Add([]byte("<html><style>x</style>y"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if s := faultText(b); strings.ContainsAny(s, "\n\r") || len([]rune(s)) > 501 {
			t.Errorf("%q", s)
		}
	})
}

func TestAnswersWithoutSubstance(t *testing.T) {
	for body, want := range map[string]string{"": "empty", "null": "does not hold", "{}": "does not hold", "<html>": "not JSON", `{"token": []}`: "another form"} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Subject-Token", "t")
			w.WriteHeader(http.StatusCreated)
			_, _ = w.Write([]byte(body))
		}))
		a := credentials.Auth{URL: s.URL + "/v3", Username: "u", Password: "p", ProjectName: "p"}
		_, err := Open(t.Context(), a, Options{FirstRetry: time.Millisecond})
		s.Close()
		if err == nil || !strings.HasPrefix(err.Error(), "cannot log in at "+s.URL) || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "broke") {
			t.Errorf("%q: %v", body, err)
		}
	}
}
