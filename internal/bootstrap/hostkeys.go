package bootstrap

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/skeema/knownhosts"
	"golang.org/x/crypto/ssh"

	"github.com/galleyhq/galley/internal/text"
)

// PinnedKey is a host key that is remembered of a machine.
type PinnedKey struct {
	// Key is "type base64", as in authorized_keys.
	Key string
	// Verified says that someone else than the machine vouched for it.
	Verified bool
}

// HostKeys decides whether the key that a machine shows is the machine's own.
// The order: a key pinned as verified is taken; else the Source decides, if it
// knows anything; else a key pinned earlier or listed in KnownHosts is taken
// and another one refused; else Unknown decides, and the key is taken and
// pinned, unverified, to be verified by a later connection once the Source
// knows. It is safe for concurrent use; do not copy it after use.
type HostKeys struct {
	// Off takes any key.
	Off bool
	// Pinned are the keys remembered from earlier connections.
	Pinned []PinnedKey
	// Source asks someone other than the machine for its keys: lines in
	// authorized_keys form, or fingerprints ("SHA256:…", "MD5:…"). No keys and
	// no error means that nothing is known yet. It may be nil.
	Source func(ctx context.Context) ([]string, error)
	// SourceName names the source in messages: "the console log".
	SourceName string
	// Pin remembers the keys in place of the Pinned ones. It may be nil.
	Pin func([]PinnedKey) error
	// KnownHosts are files in the format of ssh's known_hosts. Those that do
	// not exist are passed over.
	KnownHosts []string
	// Unknown says whether to take a key that nobody knows anything of, as
	// "type base64"; described is its type and fingerprint. Nil takes it.
	Unknown func(ctx context.Context, addr, key, described string) (bool, error)

	mu      sync.Mutex
	asked   time.Time
	vouched []string
}

const (
	// sourceEvery is the least time between two questions to a source that
	// knew nothing, and sourceTimeout bounds each.
	sourceEvery   = 5 * time.Second
	sourceTimeout = 15 * time.Second
)

// plainHostKeyAlgos are the host key algorithms we ask for, best first.
func plainHostKeyAlgos() []string {
	return []string{
		ssh.KeyAlgoED25519,
		ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521,
		ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256, ssh.KeyAlgoRSA,
	}
}

func algosOf(types []string) []string {
	var algos []string
	for _, a := range plainHostKeyAlgos() {
		t := a
		if a == ssh.KeyAlgoRSASHA512 || a == ssh.KeyAlgoRSASHA256 {
			t = ssh.KeyAlgoRSA
		}
		if slices.Contains(types, t) {
			algos = append(algos, a)
		}
	}
	return algos
}

// algorithms returns the algorithms to ask the server at addr for, so that it
// shows a key of a type that is known, where one is.
func (h *HostKeys) algorithms(addr string) []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.Off {
		return plainHostKeyAlgos()
	}
	var types []string
	for _, k := range append(slices.Clone(h.vouched), keysOf(h.Pinned)...) {
		if pub := parseKey(k); pub != nil {
			types = append(types, pub.Type())
		}
	}
	if algos := algosOf(types); len(algos) > 0 {
		return algos
	}
	if db, err := h.db(); err == nil && db != nil {
		if algos := db.HostKeyAlgorithms(addr); len(algos) > 0 {
			return algos
		}
	}
	return plainHostKeyAlgos()
}

// described shows the keys that are vouched for.
func (h *HostKeys) described() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return describeAll(h.vouched)
}

// db reads the known_hosts files. It returns nil when none exists.
func (h *HostKeys) db() (*knownhosts.HostKeyDB, error) {
	var files []string
	for _, f := range h.KnownHosts {
		if st, err := os.Stat(f); err == nil && st.Mode().IsRegular() {
			files = append(files, f)
		}
	}
	if len(files) == 0 {
		return nil, nil
	}
	return knownhosts.NewDB(files...)
}

// errOtherType asks the caller to connect again and to ask for a key of one of
// the types that can be compared.
type errOtherType struct{ algos []string }

func (errOtherType) Error() string { return "the host key is of a type that cannot be compared" }

// check decides about key, which the machine at addr has shown. retyped says
// that errOtherType has been heeded already.
func (h *HostKeys) check(ctx context.Context, addr string, remote net.Addr, key ssh.PublicKey, retyped bool, report Reporter) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	line := authorizedForm(key)
	if h.Off {
		report.Debug("host key of %s not verified: %s", addr, describeKey(key))
		return nil
	}
	at := slices.IndexFunc(h.Pinned, func(p PinnedKey) bool { return sameKey(p.Key, key) })
	if at >= 0 && h.Pinned[at].Verified {
		report.Debug("host key of %s is the verified one: %s", addr, describeKey(key))
		return nil
	}

	if vouched := h.ask(ctx, report); len(vouched) > 0 {
		if matches(vouched, key) {
			if len(h.Pinned) > 0 && at < 0 {
				report.Warn("the host key of %s has changed, and %s shows the new one: %s", addr, h.SourceName, describeKey(key))
			}
			report.Debug("host key of %s verified by %s: %s", addr, h.SourceName, describeKey(key))
			return h.pin(verifiedPins(vouched, line))
		}
		if types := typesOf(vouched); !retyped && len(types) > 0 && !slices.Contains(types, key.Type()) {
			if algos := algosOf(types); len(algos) > 0 {
				return errOtherType{algos: algos}
			}
		}
		return &HostKeyError{Addr: addr, Problem: HostKeyForeign, Got: describeKey(key), Want: describeAll(vouched), Where: h.SourceName}
	}

	if at >= 0 {
		report.Debug("host key of %s is the one seen first: %s", addr, describeKey(key))
		return nil
	}
	if len(h.Pinned) > 0 {
		return &HostKeyError{Addr: addr, Problem: HostKeyChanged, Got: describeKey(key), Want: describeAll(keysOf(h.Pinned)), Where: "the first connection"}
	}
	known, err := h.inKnownHosts(addr, remote, key)
	if err != nil || known {
		return err
	}
	if h.Unknown != nil {
		take, err := h.Unknown(ctx, addr, line, describeKey(key))
		if err != nil {
			return err
		}
		if !take {
			return &HostKeyError{Addr: addr, Problem: HostKeyUnknown, Got: describeKey(key)}
		}
	}
	report.Debug("host key of %s remembered at first use: %s", addr, describeKey(key))
	return h.pin([]PinnedKey{{Key: line}})
}

// inKnownHosts looks key up in the known_hosts files. Not to be listed is no
// error.
func (h *HostKeys) inKnownHosts(addr string, remote net.Addr, key ssh.PublicKey) (bool, error) {
	db, err := h.db()
	if err != nil {
		return false, &ConfigError{Msg: fmt.Sprintf("known_hosts cannot be read: %v", err), Err: err}
	}
	if db == nil {
		return false, nil
	}
	where := strings.Join(h.KnownHosts, ", ")
	err = db.HostKeyCallback()(addr, remote, key)
	switch {
	case err == nil:
		return true, nil
	case knownhosts.IsHostUnknown(err):
		return false, nil
	case knownhosts.IsHostKeyChanged(err):
		var want []string
		for _, k := range db.HostKeys(addr) {
			want = append(want, describeKey(k.PublicKey))
		}
		return false, &HostKeyError{Addr: addr, Problem: HostKeyChanged, Got: describeKey(key), Want: want, Where: where}
	case strings.Contains(err.Error(), "revoked"):
		return false, &HostKeyError{Addr: addr, Problem: HostKeyRevoked, Got: describeKey(key), Where: where}
	}
	return false, err
}

// RememberHost adds the key of the machine at addr (host:port) to a file in the
// format of ssh's known_hosts, which is made if needed.
func RememberHost(file, addr, key string) error {
	pub := parseKey(key)
	if pub == nil {
		return fmt.Errorf("%q is not a host key", key)
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	line := knownhosts.Line([]string{addr}, pub) + "\n"
	// A last line without an end would swallow this one.
	if st, serr := f.Stat(); serr == nil && st.Size() > 0 {
		last := make([]byte, 1)
		if _, rerr := f.ReadAt(last, st.Size()-1); rerr == nil && last[0] != '\n' {
			line = "\n" + line
		}
	}
	_, err = f.WriteString(line)
	return errors.Join(err, f.Close())
}

// ask returns what the source knows. A source that knows is asked once.
func (h *HostKeys) ask(ctx context.Context, report Reporter) []string {
	if h.Source == nil || len(h.vouched) > 0 || (!h.asked.IsZero() && time.Since(h.asked) < sourceEvery) {
		return h.vouched
	}
	ctx, cancel := context.WithTimeout(ctx, sourceTimeout)
	defer cancel()
	keys, err := h.Source(ctx)
	h.asked = time.Now()
	if err != nil {
		report.Debug("%s cannot be asked for host keys: %v", h.SourceName, err)
		return nil
	}
	for _, k := range keys {
		if k = strings.TrimSpace(k); k != "" {
			h.vouched = append(h.vouched, k)
		}
	}
	return h.vouched
}

func (h *HostKeys) pin(keys []PinnedKey) error {
	h.Pinned = keys
	if h.Pin == nil {
		return nil
	}
	if err := h.Pin(slices.Clone(keys)); err != nil {
		return fmt.Errorf("remembering the host key: %w", err)
	}
	return nil
}

// verifiedPins are all keys that were vouched for in full, and the one seen.
func verifiedPins(vouched []string, seen string) []PinnedKey {
	pins := []PinnedKey{{Key: seen, Verified: true}}
	for _, v := range vouched {
		if pub := parseKey(v); pub != nil {
			if l := authorizedForm(pub); l != seen {
				pins = append(pins, PinnedKey{Key: l, Verified: true})
			}
		}
	}
	return pins
}

func keysOf(pins []PinnedKey) []string {
	keys := make([]string, len(pins))
	for i, p := range pins {
		keys[i] = p.Key
	}
	return keys
}

// parseKey reads an authorized_keys line; nil for a fingerprint or nonsense.
func parseKey(line string) ssh.PublicKey {
	key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(line))
	if err != nil {
		return nil
	}
	return key
}

func authorizedForm(key ssh.PublicKey) string {
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key)))
}

func sameKey(line string, key ssh.PublicKey) bool {
	pub := parseKey(line)
	return pub != nil && bytes.Equal(pub.Marshal(), key.Marshal())
}

// matches says whether key is among lines or fingerprints.
func matches(lines []string, key ssh.PublicKey) bool {
	sha := ssh.FingerprintSHA256(key)
	md5 := ssh.FingerprintLegacyMD5(key)
	return slices.ContainsFunc(lines, func(l string) bool {
		if sameKey(l, key) {
			return true
		}
		for _, f := range strings.Fields(l) {
			if strings.TrimRight(f, "=") == sha || strings.EqualFold(strings.TrimPrefix(f, "MD5:"), md5) {
				return true
			}
		}
		return false
	})
}

func typesOf(lines []string) []string {
	var types []string
	for _, l := range lines {
		pub := parseKey(l)
		if pub == nil {
			return nil // A bare fingerprint may be of any type.
		}
		types = append(types, pub.Type())
	}
	return types
}

func describeKey(key ssh.PublicKey) string {
	return key.Type() + " " + ssh.FingerprintSHA256(key)
}

func describeAll(lines []string) []string {
	out := make([]string, 0, len(lines))
	for _, l := range lines {
		if pub := parseKey(l); pub != nil {
			out = append(out, describeKey(pub))
		} else {
			out = append(out, text.CleanLine(l))
		}
	}
	return out
}

// hostKeyNegotiation says whether err means that the server has no host key
// of a type that was asked for.
func hostKeyNegotiation(err error) bool {
	var ne *ssh.AlgorithmNegotiationError
	return errors.As(err, &ne) && strings.Contains(err.Error(), "host key")
}
