package fetch

import (
	"io"
	"mime"
	"strings"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
)

// charsetOf returns the charset that a Content-Type names, in lower case, ""
// for none.
func charsetOf(contentType string) string {
	if !strings.Contains(contentType, ";") {
		return ""
	}
	_, params, err := mime.ParseMediaType(contentType)
	if err != nil {
		return ""
	}
	return strings.ToLower(strings.TrimSpace(params["charset"]))
}

// textEncoding returns the encoding of a charset, nil if it is unknown. The
// names are those of the IANA registry.
func textEncoding(charset string) encoding.Encoding {
	switch name := strings.NewReplacer("_", "-").Replace(charset); name {
	case "utf-16":
		return unicode.UTF16(unicode.LittleEndian, unicode.UseBOM)
	case "utf-16le":
		return unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM)
	case "utf-16be":
		return unicode.UTF16(unicode.BigEndian, unicode.IgnoreBOM)
	case "iso-8859-1", "latin1", "latin-1", "l1":
		return charmap.ISO8859_1
	case "cp1252", "windows-1252":
		return charmap.Windows1252
	case "cp1251", "windows-1251":
		return charmap.Windows1251
	default:
		for _, e := range charmap.All {
			m, ok := e.(*charmap.Charmap)
			if ok && strings.EqualFold(strings.ReplaceAll(m.String(), " ", "-"), name) {
				return m
			}
		}
	}
	return nil
}

// planCharset takes down the charset of the body, and decides whether it is
// converted.
func (p *page) planCharset() error {
	name := charsetOf(p.result.header.Get("Content-Type"))
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
		p.how.Raw = false
		if p.how.Decode = p.how.Coding; p.how.Decode == "" {
			p.how.Decode = p.how.Magic
		}
	}
	return nil
}

// toUTF8 returns a reader of the content in UTF-8.
func (p *page) toUTF8(in io.Reader) (io.Reader, error) {
	return transform.NewReader(in, textEncoding(p.how.Charset).NewDecoder()), nil
}
