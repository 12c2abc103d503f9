package guest

import (
	"crypto/subtle"
	"strings"

	"github.com/go-crypt/crypt/algorithm/shacrypt"
	"github.com/go-crypt/x/yescrypt"
)

// hashPassword returns the shadow entry for a password, which the tools of
// every image understand: SHA-512 crypt, with the fewest rounds that it allows,
// since a guest's password guards nothing but a guest, and boots are to be
// cheap.
func hashPassword(password string) string {
	h, err := shacrypt.New(shacrypt.WithSHA512(), shacrypt.WithIterations(shacrypt.IterationsMin))
	if err != nil {
		return "!" // nobody's
	}
	return h.MustHash(password).Encode()
}

// checkPassword reports whether a password fits a shadow entry: SHA-256 and
// SHA-512 crypt, and yescrypt, today's default. Entries that are locked, empty
// or of another scheme fit none.
func checkPassword(password, entry string) bool {
	if strings.HasPrefix(entry, "$y$") {
		all, err := yescrypt.Hash([]byte(password), []byte(entry))
		return err == nil && subtle.ConstantTimeCompare(all, []byte(entry)) == 1
	}
	digest, err := shacrypt.Decode(entry)
	return err == nil && entry[0] == '$' && digest.Match(password) // "!$6$" is locked
}
