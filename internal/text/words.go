package text

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Count returns a number with its noun: "1 server", "2 servers", "0 entries".
// noun is the singular; a plural that "s", "es" and "ies" do not make needs
// [CountOf].
func Count(n int, noun string) string { return CountOf(n, noun, Plural(noun)) }

// CountOf is [Count] with the plural given.
func CountOf(n int, singular, plural string) string {
	if n == 1 {
		return "1 " + singular
	}
	return strconv.Itoa(n) + " " + plural
}

// Plural returns the regular plural of an English noun.
func Plural(noun string) string {
	switch {
	case strings.HasSuffix(noun, "y") && len(noun) > 1 && !strings.ContainsAny(noun[len(noun)-2:len(noun)-1], "aeiou"):
		return strings.TrimSuffix(noun, "y") + "ies"
	case strings.HasSuffix(noun, "s"), strings.HasSuffix(noun, "x"), strings.HasSuffix(noun, "ch"), strings.HasSuffix(noun, "sh"):
		return noun + "es"
	}
	return noun + "s"
}

// Quoted returns items in double quotes, separated by commas.
func Quoted(items []string) string { return list(quote(items), ", ") }

// QuotedOr returns items in double quotes as alternatives: "a", "b" or "c".
func QuotedOr(items []string) string { return list(quote(items), " or ") }

// And returns items as a list in a sentence: a, b and c.
func And(items []string) string { return list(items, " and ") }

// Or joins alternatives: "a, b or c".
func Or(items []string) string { return list(items, " or ") }

func list(items []string, last string) string {
	if len(items) < 2 {
		return strings.Join(items, "")
	}
	end := len(items) - 1
	return strings.Join(items[:end], ", ") + last + items[end]
}

func quote(items []string) []string {
	out := make([]string, len(items))
	for i, s := range items {
		out[i] = strconv.Quote(s)
	}
	return out
}

// Shorten cuts s to at most n bytes and marks the cut with "…".
func Shorten(s string, n int) string {
	if len(s) <= n {
		return s
	}
	n = max(n-len("…"), 0)
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "…"
}

// Size formats a number of bytes.
func Size(n int64) string {
	switch {
	case n < 1000:
		return fmt.Sprintf("%d B", n)
	case n < 1000*1000:
		return fmt.Sprintf("%.0f kB", float64(n)/1000)
	}
	return fmt.Sprintf("%.1f MB", float64(n)/1000/1000)
}

// Place begins a message about a place in a file, as "FILE:3:5: ". Line and
// column count from 1; 0 is unknown. Without a file it is "".
func Place(file string, line, column int) string {
	switch {
	case file == "":
		return ""
	case line < 1:
		return file + ": "
	case column < 1:
		return fmt.Sprintf("%s:%d: ", file, line)
	}
	return fmt.Sprintf("%s:%d:%d: ", file, line, column)
}
