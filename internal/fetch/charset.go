package fetch

import (
	"io"
	"mime"
	"strings"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
)

// charsetOf returns the charset that a Content-Type names, in lower case, ""
// for none.
func charsetOf(contentType string) string {
	_, rest, ok := strings.Cut(contentType, ";")
	if rest = strings.ToLower(strings.TrimSpace(rest)); !ok || rest == "charset=utf-8" {
		return strings.TrimPrefix(rest, "charset=") // at once: each page may have it
	}
	_, params, err := mime.ParseMediaType(contentType)
	if err != nil {
		return ""
	}
	return strings.ToLower(strings.TrimSpace(params["charset"]))
}

// textEncoding returns the encoding of a charset, nil if it is unknown.
func textEncoding(charset string) encoding.Encoding {
	switch charset {
	case "utf-16":
		return unicode.UTF16(unicode.LittleEndian, unicode.UseBOM)
	case "utf-16le":
		return unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM)
	case "iso-8859-1": // not windows-1252, as browsers have it
		return charmap.ISO8859_1
	}
	e, _ := htmlindex.Get(charset)
	return e
}

// charsetIn returns the charset that the first bytes of a body show: UTF-16 has
// a mark, or a zero beside its first character if that is of ASCII (RFC 4627,
// 3).
func charsetIn(b []byte) string {
	if len(b) < 4 {
		return ""
	}
	switch {
	case b[0] == 0xff && b[1] == 0xfe && b[2] != 0, b[0] == 0xfe && b[1] == 0xff:
		return "utf-16"
	case b[0] != 0 && b[1] == 0 && b[2] != 0 && b[3] == 0:
		return "utf-16le"
	case b[0] == 0 && b[1] != 0 && b[2] == 0 && b[3] != 0:
		return "utf-16be"
	}
	return ""
}

// planCharset takes down the charset of the body, and decides whether it is
// converted.
func (p *page) planCharset() error {
	name := charsetOf(p.result.header.Get("Content-Type"))
	if name == "" && p.how.Coding+p.how.Magic == "" && p.st.opaque == "" {
		name = charsetIn(p.st.ahead)
	}
	if p.s.sum.Charset == "" {
		p.s.sum.Charset = clean(name, 40)
	}
	if !p.s.req.UTF8 || p.s.req.Raw || name == "" || name == "utf-8" || name == "utf8" || name == "us-ascii" {
		return nil
	}
	if textEncoding(name) == nil {
		return &Error{Kind: KindCoding, Op: p.k.op(), Msg: "the body's charset " + clean(name, 40) + " cannot be converted to UTF-8", hint: "leave --utf8 out to store it as it comes"}
	}
	p.how.Charset, p.s.sum.ConvertedFrom = name, name
	if p.how.Raw {
		p.how.Raw, p.how.Decode = false, p.how.form()
	}
	return nil
}

// toUTF8 returns a reader of the content in UTF-8.
func (p *page) toUTF8(in io.Reader) (io.Reader, error) {
	return transform.NewReader(in, textEncoding(p.how.Charset).NewDecoder()), nil
}
