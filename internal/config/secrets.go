package config

import "strings"

// secretWords are the parts of a key's name that make its value a secret.
// They are whole words of the name: "token" is in openstack_auth_token, "key"
// alone is in none of them, for ssh_key and key_name are no secrets.
var secretWords = []string{"password", "passwd", "passphrase", "pass", "passcode", "secret", "token", "apikey", "credential", "credentials", "passwords", "secrets", "tokens"}

// secretPairs are two words in a row.
var secretPairs = [][2]string{{"api", "key"}, {"access", "key"}, {"private", "key"}, {"secret", "key"}, {"license", "key"}, {"encryption", "key"}, {"auth", "key"}, {"account", "key"}}

// notSecretEnd are names that sound like secrets and are none: paths, names and
// switches.
var notSecretEnd = []string{"path", "file", "name", "id", "type", "url", "length", "dir", "ttl", "timeout", "user"}

// SecretKey says whether the value of a key of that name is not to be shown:
// passwords, API keys, tokens and their like, by the words of the name.
func SecretKey(key string) bool {
	words := nameWords(key)
	if len(words) == 0 {
		return false
	}
	last := words[len(words)-1]
	for _, w := range notSecretEnd {
		// Where a secret lies, or what it is called, is no secret.
		if last == w {
			return false
		}
	}
	for i, w := range words {
		for _, s := range secretWords {
			if w == s {
				return true
			}
		}
		if i+1 < len(words) {
			for _, p := range secretPairs {
				if w == p[0] && words[i+1] == p[1] {
					return true
				}
			}
		}
	}
	return false
}

// nameWords takes a name apart at signs and at capitals.
func nameWords(key string) []string {
	var b strings.Builder
	lower := false
	for _, c := range key {
		if c >= 'A' && c <= 'Z' {
			if lower {
				b.WriteByte(' ')
			}
			lower = false
		} else {
			lower = c >= 'a' && c <= 'z' || c >= '0' && c <= '9'
		}
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' {
			b.WriteRune(c)
		} else {
			b.WriteByte(' ')
		}
	}
	return strings.Fields(strings.ToLower(b.String()))
}
