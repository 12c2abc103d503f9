package secret

import (
	"slices"
	"strings"
)

// secretWords make a name secret as one of its words: "token" is a word of
// openstack_auth_token. "key" alone is not: ssh_key and key_name are not
// secret.
var secretWords = []string{
	"password", "passwd", "passphrase", "pass", "passcode", "secret", "token", "apikey", "credential", "credentials",
	"passwords", "secrets", "tokens",
}

// secretPairs make a name secret as two words in a row.
var secretPairs = [][2]string{
	{"api", "key"},
	{"access", "key"},
	{"private", "key"},
	{"secret", "key"},
	{"license", "key"},
	{"encryption", "key"},
	{"auth", "key"},
	{"account", "key"},
}

// publicEnds end the names of what only belongs to a secret: its path, its
// name, a switch.
var publicEnds = []string{"path", "file", "name", "id", "type", "url", "length", "dir", "ttl", "timeout", "user"}

// IsName reports whether the name of a setting, variable or parameter says
// that its value is secret.
func IsName(name string) bool {
	words := nameWords(name)
	if len(words) == 0 || slices.Contains(publicEnds, words[len(words)-1]) {
		return false
	}
	for i, w := range words {
		if slices.Contains(secretWords, w) || i > 0 && slices.Contains(secretPairs, [2]string{words[i-1], w}) {
			return true
		}
	}
	return false
}

// nameWords splits a name at signs and at capitals.
func nameWords(name string) []string {
	var b strings.Builder
	lower := false
	for _, c := range name {
		capital := c >= 'A' && c <= 'Z'
		if capital && lower {
			b.WriteByte(' ')
		}
		lower = c >= 'a' && c <= 'z' || c >= '0' && c <= '9'
		if lower || capital {
			b.WriteRune(c)
		} else {
			b.WriteByte(' ')
		}
	}
	return strings.Fields(strings.ToLower(b.String()))
}
