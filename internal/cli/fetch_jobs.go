package cli

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
)

// fetchJob is one URL to download.
type fetchJob struct {
	what string
	// output is the file that a list of URLs names for it, "" for -o.
	output string
	// parts are the values of the patterns in the URL, for #1, #2 … in -o.
	parts []string
}

// replace puts the values of the URL's patterns into the name of an output.
func (j fetchJob) replace(name string) string {
	for i := len(j.parts); i > 0; i-- {
		name = strings.ReplaceAll(name, "#"+strconv.Itoa(i), j.parts[i-1])
	}
	return name
}

// maxJobs bounds the URLs that patterns can make.
const maxJobs = 1_000_000

// jobs returns the URLs of the command line and of --input-file.
func (f *fetchOptions) jobs(args []string) ([]fetchJob, error) {
	var jobs []fetchJob
	for _, arg := range args {
		more, err := f.expand(arg)
		if err != nil {
			return nil, err
		}
		jobs = append(jobs, more...)
	}
	if f.inputFile != "" {
		listed, err := f.listed()
		if err != nil {
			return nil, err
		}
		jobs = append(jobs, listed...)
	}
	switch {
	case len(jobs) == 0:
		return nil, usagef("give one as the argument, or a file of URLs with --input-file", "no URL is given")
	case len(jobs) == 1:
		return jobs, nil
	case f.request.FailBody != "", f.request.Checksum != "", f.request.Output.Manifest != "":
		return nil, usagef("", "--fail-body, --checksum and --manifest go with one URL")
	case f.outputPath == "-":
		return nil, usagef("", "several URLs are not written to standard output at once")
	}
	names := map[string]bool{}
	for _, j := range jobs {
		name := j.output
		if name == "" {
			if f.remoteName || strings.HasSuffix(f.outputPath, "/") {
				continue
			}
			name = j.replace(f.outputPath)
		}
		if names[name] && name != "" {
			return nil, usagef("name each by its URL with -O or -o FOLDER/, by the patterns in it with #1, or in --input-file", "more than one URL would be written to %s", name)
		}
		names[name] = true
	}
	return jobs, nil
}

// listed reads the list of URLs.
func (f *fetchOptions) listed() ([]fetchJob, error) {
	var in io.Reader = f.program.streams.In
	if f.inputFile != "-" {
		file, err := os.Open(f.inputFile)
		if err != nil {
			return nil, usagef("", "the list of URLs: %v", err)
		}
		defer file.Close()
		in = file
	}
	var jobs []fetchJob
	s := bufio.NewScanner(in)
	s.Buffer(nil, 1<<20)
	for line := 1; s.Scan(); line++ {
		fields := strings.Fields(s.Text())
		if len(fields) == 0 || strings.HasPrefix(fields[0], "#") {
			continue
		}
		if len(fields) > 2 {
			return nil, usagef("", "%s:%d: a line is a URL, and perhaps a file to write to", f.inputFile, line)
		}
		j := fetchJob{what: fields[0]}
		if len(fields) == 2 {
			j.output = fields[1]
		}
		jobs = append(jobs, j)
	}
	if err := s.Err(); err != nil {
		return nil, usagef("", "the list of URLs: %v", err)
	}
	return jobs, nil
}

// expand makes the URLs of a pattern: {1..500}, {a,b} and [a-c] as curl and
// shells write them. Brackets that are not a range are part of the URL.
func (f *fetchOptions) expand(pattern string) ([]fetchJob, error) {
	jobs := []fetchJob{{}}
	if f.noGlob {
		return []fetchJob{{what: pattern}}, nil
	}
	for rest := pattern; rest != ""; {
		i := strings.IndexAny(rest, "{[")
		if i < 0 {
			i = len(rest)
		}
		values, n := []string(nil), 0
		if i < len(rest) {
			values, n = patternValues(rest[i:])
		}
		text := rest[:i]
		if n == 0 && i < len(rest) {
			n = 1
			text = rest[:i+1]
		}
		if len(values) == 0 {
			for k := range jobs {
				jobs[k].what += text
			}
			rest = rest[len(text):]
			continue
		}
		if len(jobs)*len(values) > maxJobs {
			return nil, usagef("", "the pattern makes more than %d URLs", maxJobs)
		}
		var next []fetchJob
		for _, j := range jobs {
			for _, v := range values {
				parts := append(append([]string(nil), j.parts...), v)
				next = append(next, fetchJob{what: j.what + text + v, parts: parts})
			}
		}
		jobs, rest = next, rest[i+n:]
	}
	return jobs, nil
}

// patternValues returns the values of a pattern at the start of s and its
// length, 0 if there is none.
func patternValues(s string) ([]string, int) {
	end := strings.IndexByte(s, '}')
	if s[0] == '[' {
		end = strings.IndexByte(s, ']')
	}
	if end < 0 {
		return nil, 0
	}
	in := s[1:end]
	if s[0] == '{' {
		if from, to, ok := strings.Cut(in, ".."); ok {
			if v := rangeValues(from, to, ""); v != nil {
				return v, end + 1
			}
		}
		if strings.Contains(in, ",") && !strings.ContainsAny(in, `":{`) {
			return strings.Split(in, ","), end + 1
		}
		return nil, 0
	}
	from, to, ok := strings.Cut(in, "-")
	to, step, _ := strings.Cut(to, ":")
	if !ok {
		return nil, 0
	}
	if v := rangeValues(from, to, step); v != nil {
		return v, end + 1
	}
	return nil, 0
}

// rangeValues returns the numbers or letters from one to another, nil if that
// is not a range. Leading zeros give the width.
func rangeValues(from, to, step string) []string {
	by := 1
	if step != "" {
		var err error
		if by, err = strconv.Atoi(step); err != nil || by < 1 {
			return nil
		}
	}
	letter := func(s string) bool { return len(s) == 1 && (s[0]|0x20) >= 'a' && (s[0]|0x20) <= 'z' }
	var values []string
	if letter(from) && letter(to) {
		for c := int(from[0]); c <= int(to[0]); c += by {
			values = append(values, string(rune(c)))
		}
		return values
	}
	a, err1 := strconv.Atoi(from)
	b, err2 := strconv.Atoi(to)
	if err1 != nil || err2 != nil || a < 0 || b < a || (b-a)/by >= maxJobs {
		return nil
	}
	width := 0
	if strings.HasPrefix(from, "0") {
		width = len(from)
	}
	for n := a; n <= b; n += by {
		values = append(values, fmt.Sprintf("%0*d", width, n))
	}
	return values
}
