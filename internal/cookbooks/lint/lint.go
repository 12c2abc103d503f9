// Package lint reads what Cookstyle and Foodcritic say about a cookbook, and
// has the command that runs whichever of them is installed.
//
// internal/cli imports it.
package lint

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"strconv"
	"strings"

	"github.com/galleyhq/galley/internal/text"
)

// Offense is one finding.
type Offense struct {
	// Path is relative to the cookbook.
	Path     string `json:"path"`
	Line     int    `json:"line"`
	Rule     string `json:"rule"`
	Severity string `json:"severity"`
	Message  string `json:"message"`
}

func (o Offense) String() string {
	return fmt.Sprintf("%s:%d: %s: %s (%s)", o.Path, o.Line, o.Severity, o.Message, o.Rule)
}

// The exit statuses of the scripts where neither program is installed, and
// where cookstyle could not be installed.
const (
	missing        = 90
	notInstallable = 92
)

const (
	path = "PATH=$PATH:/opt/cinc-workstation/bin:/opt/chef-workstation/bin:/opt/cinc/embedded/bin:/opt/chef/embedded/bin\n"
	run  = `if command -v cookstyle >/dev/null 2>&1; then echo cookstyle; exec cookstyle --format json .
elif command -v foodcritic >/dev/null 2>&1; then echo foodcritic; exec foodcritic --epic-fail none .
fi
`
	get = `command -v gem >/dev/null 2>&1 || exit 90
GEM_HOME=${HOME:-/tmp}/.cache/galley/gems; export GEM_HOME; PATH=$GEM_HOME/bin:$PATH
command -v cookstyle >/dev/null 2>&1 || gem install --no-document cookstyle >&2 || exit 92
`
)

// Script is a command line of the POSIX shell that checks the cookbook in the
// current folder: by cookstyle, from the PATH or a Chef or Cinc Workstation, or
// else by foodcritic. The first line that it prints is the program's name.
const Script = path + run + "exit 90"

// InstallingScript is [Script] for a throw-away machine: where neither program
// is there, it installs cookstyle below the home directory with the gem command
// of the PATH or of Chef or Cinc.
const InstallingScript = path + run + get + run + "exit 90"

// MissingError tells that no program to check cookbooks is installed.
type MissingError struct {
	// Where is "here" or "on INSTANCE".
	Where string
}

func (e *MissingError) Error() string {
	return "neither cookstyle nor foodcritic is installed " + e.Where
}

// Hint tells how to get one.
func (e *MissingError) Hint() string {
	return "install Chef or Cinc Workstation, or run `gem install cookstyle` where there is a Ruby; --on INSTANCE uses a machine that has it, or has gem to install it"
}

// Parse reads what [Script] printed and its exit status. where is for errors;
// see [MissingError].
func Parse(out string, status int, where string) (program string, list []Offense, err error) {
	program, rest, _ := strings.Cut(out, "\n")
	switch {
	case status == missing && strings.TrimSpace(out) == "":
		return "", nil, &MissingError{Where: where}
	case status == notInstallable:
		return "", nil, fmt.Errorf("cookstyle could not be installed %s: gem says why above", where)
	case program == "cookstyle":
		list, err = parseCookstyle(rest)
	case program == "foodcritic":
		list = parseFoodcritic(rest)
		if len(list) == 0 && status != 0 {
			err = fmt.Errorf("it ended with exit status %d: %s", status, strings.TrimSpace(rest))
		}
	default:
		err = fmt.Errorf("the check ended with exit status %d: %s", status, strings.TrimSpace(out))
	}
	if err != nil {
		err = fmt.Errorf("running %s %s: %w", program, where, err)
	}
	return program, list, err
}

func parseCookstyle(text string) ([]Offense, error) {
	var report struct {
		Files []struct {
			Path     string
			Offenses []struct {
				Severity, Message string
				Cop               string `json:"cop_name"`
				Location          struct{ Line int }
			}
		}
	}
	begin := strings.IndexByte(text, '{') // warnings may come before
	if begin < 0 || json.NewDecoder(strings.NewReader(text[begin:])).Decode(&report) != nil {
		return nil, fmt.Errorf("its report cannot be read: %.200q", text)
	}
	var out []Offense
	for _, f := range report.Files {
		for _, o := range f.Offenses {
			message := strings.TrimPrefix(o.Message, o.Cop+": ")
			out = append(out, Offense{Path: f.Path, Line: o.Location.Line, Rule: o.Cop, Severity: o.Severity, Message: message})
		}
	}
	return out, nil
}

var foodcriticLine = text.Lazy(`(?m)^([A-Z]+[0-9]+): (.+): (.+):([0-9]+)$`)

func parseFoodcritic(text string) []Offense {
	var out []Offense
	for _, m := range foodcriticLine().FindAllStringSubmatch(text, -1) {
		line, _ := strconv.Atoi(m[4])
		out = append(out, Offense{Path: strings.TrimPrefix(m[3], "./"), Line: line, Rule: m[1], Severity: "warning", Message: m[2]})
	}
	return out
}

// JUnit writes findings as the XML that CI servers read: a test case for each,
// or one that passed where there is none.
func JUnit(cookbook, program string, list []Offense) ([]byte, error) {
	type failure struct {
		Type    string `xml:"type,attr"`
		Message string `xml:"message,attr"`
		Text    string `xml:",chardata"`
	}
	type testcase struct {
		Name    string   `xml:"name,attr"`
		Class   string   `xml:"classname,attr"`
		Failure *failure `xml:"failure"`
	}
	type suite struct {
		XMLName  xml.Name   `xml:"testsuite"`
		Name     string     `xml:"name,attr"`
		Tests    int        `xml:"tests,attr"`
		Failures int        `xml:"failures,attr"`
		Errors   int        `xml:"errors,attr"`
		Cases    []testcase `xml:"testcase"`
	}
	s := suite{Name: program + " " + cookbook, Tests: max(1, len(list)), Failures: len(list)}
	for _, o := range list {
		s.Cases = append(s.Cases, testcase{
			Name: fmt.Sprintf("%s %s:%d", o.Rule, o.Path, o.Line), Class: cookbook,
			Failure: &failure{Type: o.Rule, Message: o.Message, Text: o.String()},
		})
	}
	if len(list) == 0 {
		s.Cases = []testcase{{Name: program, Class: cookbook}}
	}
	data, err := xml.MarshalIndent(s, "", "  ")
	return append([]byte(xml.Header), append(data, '\n')...), err
}
