package bootstrap

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"github.com/galleyhq/galley/internal/text"
)

// authenticator gathers what one login may offer, and remembers what the
// server would have accepted.
type authenticator struct {
	ctx    context.Context
	cfg    *Config
	hop    *Hop
	report Reporter
	tried  *triedKeys
	// pause stops the clock of the handshake while a person is asked.
	pause func(ask func())

	mu      sync.Mutex
	allowed []string
	banner  bytes.Buffer
	// fatal is a failure that trying again cannot mend.
	fatal error
	// sealed is an encrypted key file that nobody can open.
	sealed string

	agentConn io.Closer
}

const maxBanner = 400

// methods returns the ways to log in, in the order to try them.
func (a *authenticator) methods() []ssh.AuthMethod {
	keys := ssh.PublicKeysCallback(a.signers)
	var secrets []ssh.AuthMethod
	if a.hop.Password != "" || a.canAsk() {
		secrets = []ssh.AuthMethod{
			ssh.KeyboardInteractive(a.challenge()),
			ssh.PasswordCallback(a.password),
		}
	}
	if a.hop.Password != "" && len(a.hop.Keys) == 0 {
		// An agent full of keys would use up the server's patience before
		// the password that was configured gets its turn.
		return append(secrets, keys)
	}
	return append([]ssh.AuthMethod{keys}, secrets...)
}

func (a *authenticator) canAsk() bool {
	return a.cfg.AskPassword && a.cfg.Prompter != nil && !a.hop.PublicKeyOnly
}

// empty says that there is nothing at all to offer.
func (a *authenticator) empty() bool {
	if a.hop.Password != "" || a.canAsk() || len(a.hop.Keys) > 0 {
		return false
	}
	if a.cfg.agentPath() != "" {
		if s, err := a.agentSigners(); err == nil && len(s) > 0 {
			return false
		}
	}
	return len(defaultKeyFiles(a.cfg.Home)) == 0
}

func (a *authenticator) offer(format string, args ...any) {
	s := fmt.Sprintf(format, args...)
	a.tried.mu.Lock()
	defer a.tried.mu.Unlock()
	if !slices.Contains(a.tried.offered, s) {
		a.tried.offered = append(a.tried.offered, s)
	}
}

func (a *authenticator) setFatal(err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.fatal == nil {
		a.fatal = err
	}
}

func (a *authenticator) agentSigners() ([]ssh.Signer, error) {
	path := a.cfg.agentPath()
	if path == "" {
		return nil, nil
	}
	conn, err := dialAgent(a.ctx, path)
	if err != nil {
		return nil, err
	}
	a.close()
	a.agentConn = conn
	return agent.NewClient(conn).Signers()
}

// close ends the talk with the agent. Its signers are of no use afterwards.
func (a *authenticator) close() {
	if a.agentConn != nil {
		a.agentConn.Close()
		a.agentConn = nil
	}
}

// signers returns the keys to offer: the ones named first, each by the agent
// that holds it if one does, then the agent's others and the usual files,
// unless only the named ones may be used. Keys that need a passphrase come
// last, so that nobody is asked without need.
//
// An old encrypted key file does not show which key is in it, so that it may be
// any of the agent's: those are offered first, and the file in a further
// connection.
func (a *authenticator) signers() ([]ssh.Signer, error) {
	held, err := a.agentSigners()
	if err != nil {
		a.report.Debug("the SSH agent at %s does not answer: %v", a.cfg.agentPath(), err)
	}
	byKey := map[string]ssh.Signer{}
	for _, s := range held {
		byKey[string(s.PublicKey().Marshal())] = s
	}

	var ready, locked []ssh.Signer
	seen := map[string]bool{}
	add := func(s ssh.Signer, what string) {
		id := string(s.PublicKey().Marshal())
		if seen[id] {
			return
		}
		seen[id] = true
		a.offer("%s (%s)", what, s.PublicKey().Type())
		if _, ok := s.(*lockedSigner); ok {
			locked = append(locked, s)
			return
		}
		ready = append(ready, s)
	}
	addFile := func(path string) error {
		s, err := a.signerOf(path, byKey)
		if err != nil {
			return err
		}
		if c := certificate(path); c != nil {
			if cs, err := ssh.NewCertSigner(c, s); err == nil {
				add(cs, "certificate of "+a.cfg.shorten(path))
			}
		}
		add(s, "key "+a.cfg.shorten(path))
		return nil
	}

	var failures []error
	guess := false
	for _, path := range a.hop.Keys {
		if len(held) > 0 && a.tried.postpone(path) && a.cfg.KeyRing.isSealed(path) {
			guess = true
			a.tried.note(path)
			continue
		}
		if err := addFile(path); err != nil {
			failures = append(failures, err)
		}
	}
	if len(failures) > 0 {
		if len(failures) == len(a.hop.Keys) && (a.hop.OnlyKeys || len(held) == 0) {
			var c *ConfigError
			if len(held) > 0 && errors.As(failures[0], &c) && c.sealed != "" {
				// The agent's keys had their turn: perhaps the machine does not
				// know the right one yet.
				a.sealed = c.sealed
				return nil, nil
			}
			a.setFatal(failures[0])
			return nil, failures[0]
		}
		for _, err := range failures {
			a.report.Warn("%v", err)
		}
	}
	if !a.hop.OnlyKeys || guess {
		for _, s := range held {
			add(s, "agent key "+ssh.FingerprintSHA256(s.PublicKey()))
		}
		if len(a.hop.Keys) == 0 && !a.hop.OnlyKeys {
			for _, path := range defaultKeyFiles(a.cfg.Home) {
				if err := addFile(path); err != nil {
					a.report.Debug("%v", err)
				}
			}
		}
	}
	return a.tried.rest(append(ready, locked...)), nil
}

// maxKeyRounds bounds the connections made to offer all keys.
const maxKeyRounds = 6

// triedKeys remembers over several connections which keys a server has seen.
type triedKeys struct {
	mu   sync.Mutex
	seen map[string]bool
	// offered describes the offered credentials, for messages.
	offered []string
	// news says that the last connection offered a key for the first time.
	news bool
	// postponed are key files left to a further connection, and waiting says
	// that the last one left such a file.
	postponed map[string]bool
	waiting   bool
}

// postpone reports whether a key file has not been left to a further connection
// yet.
func (t *triedKeys) postpone(path string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return !t.postponed[path]
}

// note leaves a key file to a further connection.
func (t *triedKeys) note(path string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.postponed == nil {
		t.postponed = map[string]bool{}
	}
	t.postponed[path], t.waiting = true, true
}

func (t *triedKeys) begin() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.news, t.waiting = false, false
}

// rest leaves out the keys that were seen and notes those that will be.
func (t *triedKeys) rest(all []ssh.Signer) []ssh.Signer {
	t.mu.Lock()
	defer t.mu.Unlock()
	var out []ssh.Signer
	for _, s := range all {
		id := string(s.PublicKey().Marshal())
		if t.seen[id] {
			continue
		}
		note := func() {
			t.mu.Lock()
			defer t.mu.Unlock()
			if t.seen == nil {
				t.seen = map[string]bool{}
			}
			t.seen[id], t.news = true, true
		}
		switch s := s.(type) {
		case ssh.MultiAlgorithmSigner:
			out = append(out, &notedMulti{s, note})
		case ssh.AlgorithmSigner:
			out = append(out, &noted{s, note})
		default:
			out = append(out, s)
		}
	}
	return out
}

// another reports whether a refused login is worth another connection: too many
// keys were tried in one, so that others have not had their turn, or a key file
// was left for later.
func (t *triedKeys) another(err error) bool {
	var auth *AuthError
	if !errors.As(err, &auth) {
		return false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.waiting || t.news && auth.Err != nil &&
		strings.Contains(strings.ToLower(auth.Err.Error()), "too many authentication failures")
}

// noted is a key that notes when it is offered, which is when the protocol
// asks for its public half.
type noted struct {
	ssh.AlgorithmSigner
	note func()
}

func (n *noted) PublicKey() ssh.PublicKey {
	n.note()
	return n.AlgorithmSigner.PublicKey()
}

type notedMulti struct {
	ssh.MultiAlgorithmSigner
	note func()
}

func (n *notedMulti) PublicKey() ssh.PublicKey {
	n.note()
	return n.MultiAlgorithmSigner.PublicKey()
}

// signerOf prefers the agent's copy of the key in a file, which needs no
// passphrase. The file may be the public half alone.
func (a *authenticator) signerOf(path string, held map[string]ssh.Signer) (ssh.Signer, error) {
	if len(held) > 0 {
		if pub := publicHalf(path); pub != nil {
			if s := held[string(pub.Marshal())]; s != nil {
				return s, nil
			}
		}
	}
	var s ssh.Signer
	var err error
	a.pause(func() { s, err = a.cfg.KeyRing.Signer(a.ctx, path) })
	if err != nil {
		return nil, err
	}
	l, ok := s.(*lockedSigner)
	if !ok {
		return s, nil
	}
	if h := held[string(l.key.pub.Marshal())]; h != nil {
		return h, nil
	}
	// The person may take their time over the passphrase.
	inner := l.key
	return &lockedSigner{ctx: a.ctx, key: &lockedKey{pub: inner.pub, open: func(ctx context.Context) (ssh.Signer, error) {
		var s ssh.Signer
		var err error
		a.pause(func() { s, err = inner.unlocked(ctx) })
		if err != nil {
			a.setFatal(err)
		}
		return s, err
	}}}, nil
}

func (a *authenticator) password() (string, error) {
	a.offer("password")
	if a.hop.Password != "" {
		return string(a.hop.Password), nil
	}
	return a.ask(fmt.Sprintf("%s's password: ", a.hop), false)
}

// challenge answers what a server asks. The configured password answers the
// first hidden question, once; the rest goes to the user.
func (a *authenticator) challenge() ssh.KeyboardInteractiveChallenge {
	used := false
	return func(name, instruction string, questions []string, echos []bool) ([]string, error) {
		if len(questions) > 0 {
			a.offer("keyboard-interactive")
		}
		answers := make([]string, len(questions))
		for i, q := range questions {
			if a.hop.Password != "" && !echos[i] && !used {
				used = true
				answers[i] = string(a.hop.Password)
				continue
			}
			if !a.canAsk() {
				return nil, fmt.Errorf("the server asks %q, and nobody is there to answer", strings.TrimSpace(q))
			}
			head := ""
			if i == 0 {
				for _, s := range []string{name, instruction} {
					if s = strings.TrimSpace(text.Clean(s)); s != "" {
						head += s + "\n"
					}
				}
			}
			s, err := a.ask(fmt.Sprintf("%s(%s) %s", head, a.hop, strings.TrimRight(text.CleanLine(q), " ")+" "), echos[i])
			if err != nil {
				return nil, err
			}
			answers[i] = s
		}
		return answers, nil
	}
}

func (a *authenticator) ask(question string, echo bool) (s string, err error) {
	if !a.canAsk() {
		return "", errors.New("nobody is there to ask for the password")
	}
	a.pause(func() { s, err = a.cfg.Prompter.Prompt(a.ctx, question, echo) })
	if err != nil {
		a.setFatal(err)
	}
	return s, err
}

// sawMethods keeps what the server would take.
func (a *authenticator) sawMethods(c *ssh.ClientAuthContext) (ssh.AuthMethod, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.allowed = slices.Clone(c.AllowedMethods)
	return nil, nil
}

func (a *authenticator) sawBanner(text string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if room := maxBanner - a.banner.Len(); room > 0 {
		a.banner.WriteString(text[:min(room, len(text))])
	}
	return nil
}

// failure makes the error of a refused login.
func (a *authenticator) failure(addr string, err error) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.fatal != nil {
		return a.fatal
	}
	a.tried.mu.Lock()
	offered := slices.Clone(a.tried.offered)
	a.tried.mu.Unlock()
	e := &AuthError{
		User: a.hop.User, Addr: addr, Offered: offered, Allowed: a.allowed, Sealed: a.sealed,
		Banner: strings.TrimSpace(text.Clean(a.banner.String())),
	}
	if err != nil && !strings.Contains(err.Error(), "unable to authenticate") {
		e.Err = errors.New(text.CleanLine(strings.TrimPrefix(strings.TrimPrefix(err.Error(), "ssh: handshake failed: "), "ssh: ")))
	}
	return e
}

// shorten gives a path below the home directory with a ~.
func (c *Config) shorten(path string) string {
	if c.Home != "" {
		if rel, err := filepath.Rel(c.Home, path); err == nil && !strings.HasPrefix(rel, "..") {
			return filepath.Join("~", rel)
		}
	}
	return path
}

// agentPath is where the agent listens, "" for no agent.
func (c *Config) agentPath() string {
	if c.Agent == "none" {
		return ""
	}
	return c.Agent
}
