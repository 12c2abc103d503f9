package api

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

func reply(text string) Handler {
	return func(r *Request) (*Reply, error) { return OK(Obj{"route": text, "vars": r.Vars}) }
}

func TestRoutes(t *testing.T) {
	var root router
	for _, rt := range []Route{
		{Method: "GET", Path: "/servers"},
		{Method: "POST", Path: "/servers"},
		{Method: "GET", Path: "/servers/detail"},
		{Method: "GET", Path: "/servers/{id}"},
		{Method: "GET", Path: "/servers/{id}/tags/{tag}", Min: V(26)},
		{Method: "GET", Path: "/networks", Max: V(35)},
		{Method: "GET", Path: "/networks", Min: V(36)},
		{Method: "GET", Path: "/{project}/volumes"},
		{Method: "GET", Path: "/"},
	} {
		rt.Do = reply(rt.Path)
		root.add(rt)
	}
	for _, test := range []struct {
		method, path string
		v            Version
		want         string
		vars         string
		handled      bool
	}{
		{"GET", "/", V(1), "/", "", true},
		{"GET", "/servers", V(1), "/servers", "", true},
		{"GET", "/servers/", V(1), "/servers", "", true},
		{"HEAD", "/servers", V(1), "/servers", "", true},
		{"GET", "/servers/detail", V(1), "/servers/detail", "", true},
		{"GET", "/servers/abc", V(1), "/servers/{id}", "id=abc", true},
		{"GET", "/servers/a%20b", V(1), "/servers/{id}", "id=a b", true},
		{"GET", "/servers/abc/tags/x", V(26), "/servers/{id}/tags/{tag}", "id=abc tag=x", true},
		{"GET", "/servers/abc/tags/x", V(25), "", "", false},
		{"GET", "/servers/volumes", V(1), "/servers/{id}", "id=volumes", true},
		{"GET", "/p1/volumes", V(1), "/{project}/volumes", "project=p1", true},
		{"DELETE", "/servers", V(1), "", "", true},
		{"GET", "/nosuch", V(1), "", "", false},
		{"GET", "/servers/a/b/c/d", V(1), "", "", false},
	} {
		rt, vars, handled := root.find(test.method, test.path, test.v)
		got := ""
		if rt != nil {
			got = rt.Path
		}
		var l []string
		for k, v := range vars {
			l = append(l, k+"="+v)
		}
		slices.Sort(l)
		if got != test.want || strings.Join(l, " ") != test.vars || handled != test.handled {
			t.Errorf(
				"%s %s at %s: %q %v %v, want %q %q %v",
				test.method,
				test.path,
				test.v,
				got,
				l,
				handled,
				test.want,
				test.vars,
				test.handled,
			)
		}
	}
	if rt, _, _ := root.find("GET", "/networks", V(36)); rt.Min != V(36) {
		t.Errorf("networks at 2.36: %+v", rt)
	}
}

func TestPaginate(t *testing.T) {
	letters := strings.Split("abcdefg", "")
	id := func(s string) string { return s }
	for _, test := range []struct {
		limit, max int
		marker     string
		want, next string
	}{
		{0, 100, "", "abcdefg", ""},
		{3, 100, "", "abc", "c"},
		{3, 100, "c", "def", "f"},
		{3, 100, "f", "g", ""},
		{7, 100, "", "abcdefg", "g"},
		{0, 3, "", "abc", "c"},
		{50, 3, "", "abc", "c"},
		{0, 7, "", "abcdefg", ""},
		{2, 100, "g", "", ""},
	} {
		page, next, err := Paginate(letters, id, test.limit, test.max, test.marker)
		if err != nil || strings.Join(page, "") != test.want || next != test.next {
			t.Errorf("%+v: %v, next %q, %v", test, page, next, err)
		}
	}
	if _, _, err := Paginate(letters, id, 1, 10, "z"); err == nil || err.Error() != "marker [z] not found" {
		t.Errorf("err = %v", err)
	}
}

func TestVersions(t *testing.T) {
	for text, want := range map[string]Version{"2.1": V(1), "2.95": V(95), "3.0": {3, 0}} {
		if v, err := ParseVersion(text); err != nil || v != want || v.String() != text {
			t.Errorf("%s: %v, %v", text, v, err)
		}
	}
	for _, text := range []string{"", "2", "2.", ".1", "a.b", "2.-1", "0.1", "2.1.1"} {
		if v, err := ParseVersion(text); err == nil {
			t.Errorf("%q: %v", text, v)
		}
	}
	if !V(26).Within(Version{}, V(26)) || V(27).Within(Version{}, V(26)) || V(25).Within(V(26), Version{}) {
		t.Error("bounds")
	}
}

func TestWebobBody(t *testing.T) {
	e := NotFound("no <such> thing")
	for accept, want := range map[string]string{"application/json": `{"code":"404 Not Found","message":"no <such> thing<br /><br />\n\n\n","title":"Not Found"}`, "": "404 Not Found\n\nno <such> thing\n\n   "} {
		if _, body := WebobBody(e, accept); string(body) != want {
			t.Errorf("%q: %s", accept, body)
		}
	}
	if kind, body := WebobBody(e, "*/*"); kind != "text/html; charset=UTF-8" ||
		!strings.Contains(string(body), "no &lt;such&gt; thing<br /><br />") {
		t.Errorf("%s: %s", kind, body)
	}
}

func FuzzRoute(f *testing.F) {
	for _, s := range []string{"/servers/a/tags/b", "//", "/servers/%zz", "/{id}"} {
		f.Add(s)
	}
	var root router
	for _, p := range []string{"/servers", "/servers/{id}", "/servers/{id}/tags/{tag}", "/{project}/volumes/{id}"} {
		root.add(Route{Method: "GET", Path: p, Do: reply(p)})
	}
	f.Fuzz(func(t *testing.T, path string) {
		rt, vars, handled := root.find("GET", path, Version{})
		if rt != nil && (!handled || len(vars) != strings.Count(rt.Path, "{")) {
			t.Errorf("%q: %s %v", path, rt.Path, vars)
		}
	})
}

func FuzzParseVersion(f *testing.F) {
	f.Add("2.95")
	f.Add("9999999999999999999999.1")
	f.Fuzz(func(t *testing.T, s string) {
		v, err := ParseVersion(s)
		if err != nil {
			return
		}
		if again, err := ParseVersion(v.String()); err != nil || again != v {
			t.Errorf("%q is %v, which is %v, %v", s, v, again, err)
		}
	})
}

func TestService(t *testing.T) {
	s := &Service{
		Name: "x", Prefix: "/x", AuthURL: "http://k/v3", Error: FaultBody,
		NotFound: func(*Request, bool) *Error { return NotFound("nothing here") },
		Authenticate: func(token string) *Auth {
			if token == "good" {
				return &Auth{UserID: "u"}
			}
			return nil
		},
	}
	s.Handle(
		Route{Method: "GET", Path: "/open", Open: true, Do: reply("open")},
		Route{Method: "POST", Path: "/shut", Do: func(r *Request) (*Reply, error) {
			o, err := r.Object("thing")
			if err != nil {
				return nil, err
			}
			return Accepted(o)
		}},
		Route{
			Method: "GET",
			Path:   "/broken",
			Open:   true,
			Do:     func(*Request) (*Reply, error) { return nil, http.ErrBodyNotAllowed },
		},
	)
	for _, test := range []struct {
		method, path, token, body string
		status                    int
		want                      string
	}{
		{"GET", "/x/open", "", "", 200, `{"route":"open","vars":{}}`},
		{"GET", "/x/open.json", "", "", 200, `{"route":"open","vars":{}}`},
		{"HEAD", "/x/open", "", "", 200, ""},
		{"POST", "/x/shut", "", "{}", 401, `{"error":{"code":401,"message":"The request you have made requires authentication.","title":"Unauthorized"}}`},
		{"POST", "/x/shut", "bad", "{}", 401, `{"error":{"code":401,"message":"The request you have made requires authentication.","title":"Unauthorized"}}`},
		{"POST", "/x/shut", "good", "{", 400, `{"badRequest":{"code":400,"message":"Malformed request body"}}`},
		{"POST", "/x/shut", "good", "{}", 400, `{"badRequest":{"code":400,"message":"'thing' is a required property"}}`},
		{"POST", "/x/shut", "good", `{"thing":5}`, 400, `{"badRequest":{"code":400,"message":"Invalid input for field/attribute thing. Value: 5. 5 is not of type 'object'"}}`},
		{"POST", "/x/shut", "good", `{"thing":{"a":"<b>"}}`, 202, `{"a":"<b>"}`},
		{"GET", "/x/nosuch", "good", "", 404, `{"itemNotFound":{"code":404,"message":"nothing here"}}`},
		{"GET", "/x/broken", "", "", 500, `{"computeFault":{"code":500,"message":"Unexpected API Error. ` + http.ErrBodyNotAllowed.Error() + `"}}`},
	} {
		r := httptest.NewRequestWithContext(t.Context(), test.method, test.path, strings.NewReader(test.body))
		r.Header.Set("X-Auth-Token", test.token)
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if w.Code != test.status || w.Body.String() != test.want {
			t.Errorf("%s %s: %d %s, want %d %s", test.method, test.path, w.Code, w.Body, test.status, test.want)
		}
	}
}
