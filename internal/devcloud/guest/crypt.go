package guest

import (
	"crypto/rand"
	"crypto/sha512"
	"crypto/subtle"
	"fmt"
	"strconv"
	"strings"
)

// The passwords in /etc/shadow are SHA-512 crypt, as the tools of all our
// images write them: https://www.akkadia.org/drepper/SHA-crypt.txt

const cryptAlphabet = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// cryptRounds is the least the scheme allows: a guest's password guards
// nothing but a guest, and boots are to be cheap.
const cryptRounds = 1000

// hashPassword returns the shadow entry for a password.
func hashPassword(password string) string {
	return sha512crypt(password, randomText(12), cryptRounds, true)
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

// checkPassword tells whether a password fits a shadow entry. Entries that
// are locked, empty or of another scheme fit none.
func checkPassword(password, entry string) bool {
	rest, ok := strings.CutPrefix(entry, "$6$")
	if !ok {
		return false
	}
	rounds, explicit := 5000, false
	if r, ok := strings.CutPrefix(rest, "rounds="); ok {
		num, tail, ok := strings.Cut(r, "$")
		n, err := strconv.Atoi(num)
		if !ok || err != nil {
			return false
		}
		rounds, explicit, rest = min(max(n, 1000), 10_000_000), true, tail
	}
	salt, _, ok := strings.Cut(rest, "$")
	if !ok {
		return false
	}
	return subtle.ConstantTimeCompare([]byte(sha512crypt(password, salt, rounds, explicit)), []byte(entry)) == 1
}

func sha512crypt(password, salt string, rounds int, explicit bool) string {
	if len(salt) > 16 {
		salt = salt[:16]
	}
	p, s := []byte(password), []byte(salt)

	alt := sha512.Sum512(join(p, s, p))
	a := join(p, s, stretch(alt[:], len(p)))
	for n := len(p); n > 0; n >>= 1 {
		if n&1 != 0 {
			a = append(a, alt[:]...)
		} else {
			a = append(a, p...)
		}
	}
	sum := sha512.Sum512(a)

	var dp []byte
	for range p {
		dp = append(dp, p...)
	}
	pd := sha512.Sum512(dp)
	pBytes := stretch(pd[:], len(p))
	var ds []byte
	for range 16 + int(sum[0]) {
		ds = append(ds, s...)
	}
	sd := sha512.Sum512(ds)
	sBytes := stretch(sd[:], len(s))

	var buf []byte
	for i := range rounds {
		buf = buf[:0]
		if i&1 != 0 {
			buf = append(buf, pBytes...)
		} else {
			buf = append(buf, sum[:]...)
		}
		if i%3 != 0 {
			buf = append(buf, sBytes...)
		}
		if i%7 != 0 {
			buf = append(buf, pBytes...)
		}
		if i&1 != 0 {
			buf = append(buf, sum[:]...)
		} else {
			buf = append(buf, pBytes...)
		}
		sum = sha512.Sum512(buf)
	}

	var out strings.Builder
	out.WriteString("$6$")
	if explicit {
		fmt.Fprintf(&out, "rounds=%d$", rounds)
	}
	out.WriteString(salt + "$")
	emit := func(v uint32, n int) {
		for range n {
			out.WriteByte(cryptAlphabet[v&63])
			v >>= 6
		}
	}
	// Bytes go out in threes; the three start at 0, 21 and 42 and step round
	// by one place each time.
	x, y, z := 0, 21, 42
	for range 21 {
		emit(uint32(sum[x])<<16|uint32(sum[y])<<8|uint32(sum[z]), 4)
		x, y, z = y+1, z+1, x+1
	}
	emit(uint32(sum[63]), 2)
	return out.String()
}

func join(parts ...[]byte) []byte {
	var out []byte
	for _, p := range parts {
		out = append(out, p...)
	}
	return out
}

// stretch repeats sum until n bytes are there.
func stretch(sum []byte, n int) []byte {
	out := make([]byte, 0, n)
	for len(out) < n {
		out = append(out, sum[:min(len(sum), n-len(out))]...)
	}
	return out
}
