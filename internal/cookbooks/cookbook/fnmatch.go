package cookbook

import "unicode/utf8"

// Match says whether a text matches a glob as Ruby's File.fnmatch without
// FNM_PATHNAME decides it: * and ? match slashes, too. A dot at the very
// beginning is only matched by a dot, unless dots is set (FNM_DOTMATCH).
func Match(glob, text string, dots bool) bool {
	if !dots && text != "" && text[0] == '.' && (unescape(glob) == "" || unescape(glob)[0] != '.') {
		return false
	}
	// retryGlob and retryText are where the last * may take one sign more.
	var retryGlob, retryText string
	retry := false
	for {
		if glob != "" && glob[0] == '*' {
			for glob != "" && glob[0] == '*' {
				glob = glob[1:]
			}
			if unescape(glob) == "" {
				return true
			}
			if text == "" {
				return false
			}
			retryGlob, retryText, retry = glob, text, true
			continue
		}
		if rest, n, ok := matchOne(glob, text); ok {
			if n == 0 {
				return true // both at their end
			}
			glob, text = rest, text[n:]
			continue
		}
		if text == "" || !retry || retryText == "" {
			return false
		}
		_, n := utf8.DecodeRuneInString(retryText)
		retryText = retryText[n:]
		glob, text = retryGlob, retryText
	}
}

// matchOne matches one sign. It returns the glob's rest and how many bytes of
// the text it took: 0 when both have ended.
func matchOne(glob, text string) (rest string, n int, ok bool) {
	_, n = utf8.DecodeRuneInString(text)
	switch {
	case glob != "" && glob[0] == '?' && text != "":
		return glob[1:], n, true
	case glob != "" && glob[0] == '[' && text != "":
		rest, ok := bracket(glob[1:], text)
		return rest, n, ok
	}
	glob = unescape(glob)
	if text == "" || glob == "" {
		return "", 0, text == "" && glob == ""
	}
	if len(glob) < n || glob[:n] != text[:n] {
		return "", 0, false
	}
	return glob[n:], n, true
}

func unescape(glob string) string {
	if len(glob) > 1 && glob[0] == '\\' {
		return glob[1:]
	}
	return glob
}

// bracket matches the first sign of a text with a class, whose [ is gone, and
// returns what follows the class. A class without an end matches nothing.
func bracket(glob, text string) (rest string, ok bool) {
	want, _ := utf8.DecodeRuneInString(text)
	negated, found := false, false
	if glob != "" && (glob[0] == '!' || glob[0] == '^') {
		negated, glob = true, glob[1:]
	}
	next := func() (rune, bool) {
		glob = unescape(glob)
		r, n := utf8.DecodeRuneInString(glob)
		glob = glob[n:]
		return r, n > 0
	}
	for glob != "" {
		if glob[0] == ']' {
			return glob[1:], found != negated
		}
		low, ok := next()
		if !ok || glob == "" {
			return "", false
		}
		high := low
		if len(glob) > 1 && glob[0] == '-' && glob[1] != ']' {
			glob = glob[1:]
			if high, ok = next(); !ok {
				return "", false
			}
		}
		if low <= want && want <= high || want == low || want == high {
			found = true
		}
	}
	return "", false
}
