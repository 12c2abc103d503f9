package openrc

import (
	"regexp"
	"strings"

	"github.com/galleyhq/galley/internal/text"
)

// Lines of PowerShell that RC files consist of.
var (
	psAssign = text.Lazy(`(?i)^\$(env:)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*)$`)
	psRemove = text.Lazy(`(?i)^(?:Remove-Item|rm|del)\s+(?:-Path\s+)?"?env:\\?([A-Za-z_][A-Za-z0-9_]*)"?(?:\s+-\w+(?:\s+SilentlyContinue)?)*$`)
	psWrite  = text.Lazy(`(?i)^(?:Write-Host|Write-Output|echo)\s+(.*)$`)
	psAsk    = text.Lazy(`(?i)^Read-Host(?:\s+(.*))?$`)
	psPlain  = text.Lazy(`(?i)^\[(?:System\.)?Runtime\.InteropServices\.Marshal\]::PtrToStringAuto\(\s*\[(?:System\.)?Runtime\.InteropServices\.Marshal\]::SecureStringToBSTR\(\s*\$([A-Za-z_][A-Za-z0-9_]*)\s*\)\s*\)$`)
	psNet    = text.Lazy(`(?i)^\(New-Object System\.Net\.NetworkCredential\([^$]*\$([A-Za-z_][A-Za-z0-9_]*)\)\)\.Password$`)
	psVar    = text.Lazy(`(?i)\$(?:\{?env:([A-Za-z_][A-Za-z0-9_]*)\}?|\{?([A-Za-z_][A-Za-z0-9_]*)\}?)`)
	psBare   = text.Lazy(`^-?[0-9]+(\.[0-9]+)?$`)
)

// assign sets a variable, exported or not.
func (r *reader) assign(name, value string, export bool) error {
	if err := r.step(); err != nil {
		return err
	}
	if len(value) > maxValue {
		return r.tooMuch()
	}
	r.vars[name] = variable{value, true, export}
	r.where[name] = r.at.String()
	return nil
}

func (r *reader) unset(name string) {
	delete(r.vars, name)
	delete(r.where, name)
}

// known finds the name under which a variable is known: Windows does not tell
// upper from lower case.
func (r *reader) known(name string) string {
	if _, ok := r.vars[name]; ok {
		return name
	}
	for n := range r.vars {
		if strings.EqualFold(n, name) {
			return n
		}
	}
	return name
}

// psLocal is how a variable of PowerShell itself is kept apart from those of
// the environment.
const psLocal = "powershell "

// powerShell reads a file that sets $env:NAME and asks with Read-Host.
func (r *reader) powerShell(text, name string) error {
	comment := false
	for i, line := range strings.Split(text, "\n") {
		r.at = place{name, uint(i + 1), 1} //nolint:gosec // of a small file
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "<#") {
			comment = true
		}
		if comment {
			comment = !strings.Contains(line, "#>")
			continue
		}
		line = strings.TrimSuffix(line, ";")
		if line == "" || line[0] == '#' {
			continue
		}
		if err := r.powerShellLine(line); err != nil {
			return err
		}
	}
	for n := range r.vars {
		if strings.HasPrefix(n, psLocal) {
			r.unset(n)
		}
	}
	return nil
}

func (r *reader) powerShellLine(line string) error {
	if m := psAssign().FindStringSubmatch(line); m != nil {
		name, env := m[2], m[1] != ""
		value, err := r.powerShellValue(m[2], strings.TrimSpace(m[3]))
		if err != nil {
			return err
		}
		if !env {
			return r.assign(psLocal+strings.ToLower(name), value, false)
		}
		if value == "" {
			// An empty value takes the variable away.
			r.unset(r.known(name))
			return nil
		}
		return r.assign(r.known(name), value, true)
	}
	if m := psRemove().FindStringSubmatch(line); m != nil {
		r.unset(r.known(m[1]))
		return nil
	}
	if m := psWrite().FindStringSubmatch(line); m != nil {
		value, err := r.powerShellValue("", m[1])
		if err != nil {
			return err
		}
		r.print(value + "\n")
		return nil
	}
	return r.errorf("this line needs PowerShell, which Galley does not run")
}

// powerShellValue works out the right side of an assignment to name.
func (r *reader) powerShellValue(name, s string) (string, error) {
	lookup := func(env, local string) string {
		if env != "" {
			return r.vars[r.known(env)].value
		}
		switch strings.ToLower(local) {
		case "null", "false", "true":
			return ""
		}
		return r.vars[psLocal+strings.ToLower(local)].value
	}
	if m := psAsk().FindStringSubmatch(s); m != nil {
		question := m[1]
		secret := strings.Contains(strings.ToLower(question), "-assecurestring") || strings.Contains(strings.ToLower(question), "-maskinput")
		for _, option := range []string{"-AsSecureString", "-MaskInput", "-Prompt"} {
			if i := strings.Index(strings.ToLower(question), strings.ToLower(option)); i >= 0 {
				question = question[:i] + question[i+len(option):]
			}
		}
		if question = strings.TrimSpace(question); question != "" {
			q, err := r.powerShellValue("", question)
			if err != nil {
				return "", err
			}
			question = q
		}
		asked := strings.ToUpper(name)
		if secret && !strings.Contains(asked, "PASS") {
			asked = "OS_PASSWORD"
		}
		line, _, err := r.ask(asked, "", question, !secret, true)
		return line, err
	}
	for _, p := range []func() *regexp.Regexp{psPlain, psNet} {
		if m := p().FindStringSubmatch(s); m != nil {
			return lookup("", m[1]), nil
		}
	}
	switch {
	case psBare().MatchString(s), s == "":
		return s, nil
	case s[0] == '\'':
		if body, ok := quoted(s, '\''); ok {
			return strings.ReplaceAll(body, "''", "'"), nil
		}
	case s[0] == '"':
		if body, ok := quoted(s, '"'); ok && !strings.Contains(body, "$(") {
			if len(body)+strings.Count(body, "$")*maxValue > 64*maxValue {
				return "", r.errorf("it expands more variables than any RC file")
			}
			out := expandOutsideEscapes(body, func(t string) string {
				return psVar().ReplaceAllStringFunc(t, func(v string) string {
					m := psVar().FindStringSubmatch(v)
					return lookup(m[1], m[2])
				})
			})
			return out, nil
		}
	case psVar().FindString(s) == s:
		m := psVar().FindStringSubmatch(s)
		return lookup(m[1], m[2]), nil
	}
	return "", r.errorf("this value needs PowerShell, which Galley does not run")
}

// quoted returns the text between quotes that are the first and the last
// character; a quote within is doubled or behind a backtick.
func quoted(s string, q byte) (string, bool) {
	if len(s) < 2 || s[len(s)-1] != q {
		return "", false
	}
	body := s[1 : len(s)-1]
	for i := 0; i < len(body); i++ {
		switch {
		case body[i] == '`' && q == '"':
			i++
		case body[i] == q:
			if i+1 >= len(body) || body[i+1] != q {
				return "", false
			}
			i++
		}
	}
	return body, true
}

// expandOutsideEscapes expands text, taking what a backtick escapes as it is.
func expandOutsideEscapes(s string, expand func(string) string) string {
	var out, plain strings.Builder
	flush := func() {
		out.WriteString(expand(plain.String()))
		plain.Reset()
	}
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '`' && i+1 < len(s):
			flush()
			i++
			switch s[i] {
			case 'n':
				out.WriteByte('\n')
			case 't':
				out.WriteByte('\t')
			default:
				out.WriteByte(s[i])
			}
		case s[i] == '"':
			flush()
			out.WriteByte('"')
			i++
		default:
			plain.WriteByte(s[i])
		}
	}
	flush()
	return out.String()
}

var (
	batSet   = text.Lazy(`(?i)^set\s+(?:"([A-Za-z_][A-Za-z0-9_]*)=(.*)"|([A-Za-z_][A-Za-z0-9_]*)=(.*))$`)
	batAsk   = text.Lazy(`(?i)^set\s+/p\s+"?([A-Za-z_][A-Za-z0-9_]*)=(.*?)"?$`)
	batQuiet = text.Lazy(`(?i)^(rem|echo\s+off|setlocal|endlocal|cls|title|chcp|goto\s+:?eof|exit(\s+/b.*)?|color)(\s.*)?$`)
	batEcho  = text.Lazy(`(?i)^echo(?:[.:]|\s+)(.*)$`)
	batVar   = text.Lazy(`%([A-Za-z_][A-Za-z0-9_]*)%`)
)

// batch reads a Windows batch file that sets variables.
func (r *reader) batch(text, name string) error {
	for i, line := range strings.Split(text, "\n") {
		r.at = place{name, uint(i + 1), 1} //nolint:gosec // of a small file
		line = strings.TrimLeft(strings.TrimLeft(line, " \t"), "@")
		line = strings.TrimRight(line, "\r")
		if bare := strings.TrimSpace(line); bare == "" || strings.HasPrefix(bare, "::") || batQuiet().MatchString(bare) {
			if strings.HasPrefix(strings.ToLower(bare), "exit") || strings.HasPrefix(strings.ToLower(bare), "goto") {
				return nil
			}
			continue
		}
		if err := r.step(); err != nil {
			return err
		}
		if strings.Count(line, "%")/2 > 64 {
			return r.errorf("it expands more variables in one line than any RC file")
		}
		// %% is a percent sign.
		parts := strings.Split(line, "%%")
		for j, p := range parts {
			parts[j] = batVar().ReplaceAllStringFunc(p, func(v string) string {
				return r.vars[r.known(strings.Trim(v, "%"))].value
			})
		}
		if err := r.batchLine(strings.Join(parts, "%")); err != nil {
			return err
		}
	}
	return nil
}

func (r *reader) batchLine(line string) error {
	if m := batAsk().FindStringSubmatch(strings.TrimSpace(line)); m != nil {
		value, _, err := r.ask(m[1], "", m[2], true, true)
		if err != nil {
			return err
		}
		return r.assign(r.known(m[1]), value, true)
	}
	if m := batSet().FindStringSubmatch(line); m != nil {
		name, value := m[1]+m[3], m[2]+m[4]
		if value == "" {
			r.unset(r.known(name))
			return nil
		}
		return r.assign(r.known(name), value, true)
	}
	if m := batEcho().FindStringSubmatch(strings.TrimSpace(line)); m != nil {
		r.print(m[1] + "\n")
		return nil
	}
	return r.errorf("this line needs cmd.exe, which Galley does not run")
}
