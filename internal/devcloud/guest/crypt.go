package guest

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"fmt"
	"hash"
	"strconv"
	"strings"

	"github.com/go-crypt/x/crypt"
	"github.com/go-crypt/x/yescrypt"
)

const cryptAlphabet = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// cryptRounds is the least that SHA-crypt allows: a guest's password guards
// nothing but a guest, and boots are to be cheap.
const cryptRounds = 1000

// hashPassword returns the shadow entry for a password, which the tools of
// every image understand: SHA-512 crypt.
func hashPassword(password string) string {
	setting := fmt.Sprintf("$6$rounds=%d$%s", cryptRounds, randomText(12))
	return setting + "$" + string(crypt.KeySHACrypt(sha512.New, []byte(password), []byte(setting[len(setting)-12:]), cryptRounds))
}

// randomText is n letters, digits, dots and slashes.
func randomText(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	for i := range b {
		b[i] = cryptAlphabet[b[i]&63]
	}
	return string(b)
}

// checkPassword reports whether a password fits a shadow entry: SHA-256 and
// SHA-512 crypt, and yescrypt, today's default. Entries that are locked, empty
// or of another scheme fit none.
func checkPassword(password, entry string) bool {
	at := strings.LastIndexByte(entry, '$')
	if at < 3 || len(password) > 512 {
		return false
	}
	var got []byte
	switch kind, setting := entry[:3], entry[3:at]; kind {
	case "$y$":
		all, err := yescrypt.Hash([]byte(password), []byte(entry))
		return err == nil && subtle.ConstantTimeCompare(all, []byte(entry)) == 1
	case "$5$", "$6$":
		rounds, salt := 5000, setting
		if r, ok := strings.CutPrefix(setting, "rounds="); ok {
			num, tail, _ := strings.Cut(r, "$")
			n, err := strconv.Atoi(num)
			if err != nil {
				return false
			}
			rounds, salt = min(max(n, 1000), 10_000_000), tail
		}
		sum := map[string]func() hash.Hash{"$5$": sha256.New, "$6$": sha512.New}[kind]
		got = crypt.KeySHACrypt(sum, []byte(password), []byte(salt), rounds)
	}
	return got != nil && subtle.ConstantTimeCompare(got, []byte(entry[at+1:])) == 1
}
