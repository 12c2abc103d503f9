package fetch

import (
	"mime"
	"net/http"
	"net/url"
	"path"
	"strings"
	"unicode/utf8"
)

// fileName chooses the name of a file from what the server says of it, or from
// the URL, so that it stays in its directory and means nothing special on any
// system.
func fileName(h http.Header, u *url.URL, given string) string {
	candidates := []string{given}
	if cd := h.Get("Content-Disposition"); cd != "" && given == "" {
		// ParseMediaType decodes filename* (RFC 5987, RFC 6266).
		if _, p, err := mime.ParseMediaType(cd); err == nil {
			candidates = append(candidates, p["filename"])
		} else {
			candidates = append(candidates, looseName(cd))
		}
	}
	if u != nil {
		candidates = append(candidates, path.Base(u.Path))
	}
	for _, c := range candidates {
		if s := safeName(c); s != "" {
			return s
		}
	}
	return "download"
}

// looseName finds the file's name in a Content-Disposition that breaks the
// grammar, most often by a name with blanks and no quotes; browsers take it.
func looseName(cd string) string {
	for _, part := range strings.Split(cd, ";") {
		name, value, ok := strings.Cut(part, "=")
		if ok && strings.EqualFold(strings.TrimSpace(name), "filename") {
			return strings.Trim(strings.TrimSpace(value), `"`)
		}
	}
	return ""
}

// maxName leaves room for the endings of part file and journal within the 255
// bytes that file systems allow.
const maxName = 200

func safeName(s string) string {
	s = strings.ToValidUTF8(s, "_")
	if i := strings.LastIndexAny(s, `/\`); i >= 0 {
		s = s[i+1:]
	}
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 || strings.ContainsRune(`<>:"|?*`, r) ||
			r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 || r == 0x200e || r == 0x200f || r == utf8.RuneError {
			// Also what turns the direction of writing, to hide an ending.
			return '_'
		}
		return r
	}, s)
	s = strings.TrimRight(strings.TrimLeft(s, ". -~"), ". ")
	if s == "" {
		return ""
	}
	stem, _, _ := strings.Cut(s, ".")
	switch u := strings.ToUpper(strings.TrimSpace(stem)); {
	case u == "CON", u == "PRN", u == "AUX", u == "NUL",
		len(u) == 4 && (u[:3] == "COM" || u[:3] == "LPT") && u[3] >= '0' && u[3] <= '9':
		s = "_" + s
	}
	if len(s) > maxName {
		ext := path.Ext(s)
		if len(ext) > 20 {
			ext = ""
		}
		s = strings.ToValidUTF8(s[:maxName-len(ext)], "") + ext
	}
	return s
}
