package berksfile

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/galleyhq/galley/internal/cookbooks/cookbook"
	"github.com/galleyhq/galley/internal/cookbooks/git"
	"github.com/galleyhq/galley/internal/cookbooks/source"
	"github.com/galleyhq/galley/internal/cookbooks/version"
	"github.com/galleyhq/galley/internal/jsonorder"
	"github.com/galleyhq/galley/internal/text"
)

// lockfile is the content of a Berksfile.lock: the dependencies that the
// Berksfile had, and the graph of all cookbooks.
type lockfile struct {
	job          *Job
	dependencies map[string]*dependency
	graph        map[string]*item
	// present says that the file is there and not empty.
	present bool
}

// item is one cookbook of the graph.
type item struct {
	version version.Version
	// needs are the constraints as they are written, by name.
	needs map[string]string
}

// readLock reads the lock of the job; none is an empty one.
func (j *Job) readLock() (*lockfile, error) {
	l := &lockfile{job: j, dependencies: map[string]*dependency{}, graph: map[string]*item{}}
	data, err := os.ReadFile(j.lock)
	if errors.Is(err, fs.ErrNotExist) {
		return l, nil
	}
	if err != nil {
		return nil, err
	}
	return l, l.parse(string(data))
}

// lockName is a name and perhaps, in parentheses, a version or a constraint
// without what follows a dash.
var (
	lockName   = text.Lazy(`^([^ ].*?)(?: \(([^-]*)(?:-(.*))?\))?$`)
	lockOption = text.Lazy(`^ {4}(.+): (.+)`)
)

// unreadable is the error of a lock, at a place of it.
func (l *lockfile) unreadable(at string, err error) error {
	return &source.Problem{
		Msg: fmt.Sprintf("%s: the lock cannot be read: %v", at, err), Err: err,
		Advice: "restore the lock from version control, or remove it and run `galley deps install`",
	}
}

func (l *lockfile) parse(text string) error {
	l.present = strings.TrimSpace(text) != ""
	if !l.present {
		return nil
	}
	if strings.HasPrefix(strings.TrimSpace(text), "{") {
		converted, err := fromJSON(text)
		if err != nil {
			return l.unreadable(l.job.lock, err)
		}
		text = converted
	}
	p := &lockParser{lock: l, options: map[string]map[string]string{}}
	for i, line := range strings.Split(text, "\n") {
		if err := p.line(strings.TrimSuffix(line, "\r")); err != nil {
			return l.unreadable(fmt.Sprintf("%s:%d", l.job.lock, i+1), err)
		}
	}
	if err := p.finish(); err != nil {
		return l.unreadable(l.job.lock, err)
	}
	return nil
}

// lockParser reads a lock line by line.
type lockParser struct {
	lock    *lockfile
	section string
	names   []string
	options map[string]map[string]string
	current map[string]string
	item    *item
}

func (p *lockParser) line(line string) error {
	switch {
	case line == "":
		return nil
	case line == "DEPENDENCIES" || line == "GRAPH":
		p.section = line
		return nil
	case p.section == "":
		return fmt.Errorf("it does not begin with DEPENDENCIES")
	}
	// A cookbook is indented by two spaces, what belongs to it by four.
	inner, isInner := strings.CutPrefix(line, "    ")
	m := lockName().FindStringSubmatch(strings.TrimPrefix(line, "  "))
	if isInner {
		m = lockName().FindStringSubmatch(inner)
	}
	if o := lockOption().FindStringSubmatch(line); p.section == "DEPENDENCIES" && isInner {
		if o != nil && p.current != nil {
			p.current[o[1]] = o[2]
		}
		return nil
	}
	if m == nil || !strings.HasPrefix(line, "  ") || isInner && p.item == nil {
		return nil
	}
	name := m[1]
	if strings.ContainsAny(name, " ()") {
		return fmt.Errorf("%q is not the name of a cookbook", name)
	}
	switch {
	case isInner:
		p.item.needs[name] = m[2]
		_, err := version.ParseConstraint(m[2])
		return err
	case p.section == "DEPENDENCIES":
		if p.options[name] == nil {
			p.options[name] = map[string]string{}
			p.names = append(p.names, name)
		}
		if p.current = p.options[name]; m[2] != "" {
			p.current["constraint"] = m[2]
		}
	default:
		if p.item = p.lock.graph[name]; p.item == nil {
			v, err := version.Parse(m[2])
			p.item = &item{version: v, needs: map[string]string{}}
			p.lock.graph[name] = p.item
			return err
		}
	}
	return nil
}

// finish makes the dependencies.
func (p *lockParser) finish() error {
	j := p.lock.job
	for _, name := range p.names {
		o := p.options[name]
		c, err := version.ParseConstraint(o["constraint"])
		if err != nil {
			return err
		}
		d := &dependency{job: j, name: name, constraint: c, groups: []string{"default"}}
		if i := p.lock.graph[name]; i != nil {
			v := i.version
			d.locked = &v
		}
		switch {
		case o["path"] != "":
			if d.place, err = j.pathPlace(o["path"], o["metadata"] != ""); err != nil {
				return err
			}
		case o["git"] != "":
			d.place = &place{git: git.NewPlace(func(name string) string { return o[name] }, "master")}
		}
		p.lock.dependencies[name] = d
	}
	return nil
}

// fromJSON converts the lock of Berkshelf 2.
func fromJSON(text string) (string, error) {
	o, err := jsonorder.ParseObject([]byte(text))
	if err != nil {
		return "", err
	}
	deps, graph := "DEPENDENCIES\n", "GRAPH\n"
	given := o.Object("dependencies")
	names := slices.Sorted(slices.Values(given.Keys()))
	for _, name := range names {
		deps += "  " + name + " (>= 0.0.0)\n"
		info := given.Object(name)
		for _, k := range info.Keys() {
			if k != "locked_version" {
				deps += fmt.Sprintf("    %s: %v\n", k, info.Value(k))
			}
		}
		graph += fmt.Sprintf("  %s (%s)\n", name, info.String("locked_version"))
	}
	return deps + "\n" + graph, nil
}

// text is the lock as Berkshelf writes it.
func (l *lockfile) text() string {
	var b strings.Builder
	b.WriteString("DEPENDENCIES\n")
	list := make([]*dependency, 0, len(l.dependencies))
	for _, d := range l.dependencies {
		list = append(list, d)
	}
	sortByName(list)
	for _, d := range list {
		b.WriteString(d.lines())
	}
	b.WriteString("\nGRAPH\n")
	for _, name := range l.names() {
		i := l.graph[name]
		fmt.Fprintf(&b, "  %s (%s)\n", name, i.version)
		for _, n := range sortedKeys(i.needs) {
			fmt.Fprintf(&b, "    %s (%s)\n", n, i.needs[n])
		}
	}
	return b.String()
}

// names are the cookbooks of the graph, sorted.
func (l *lockfile) names() []string { return sortedKeys(l.graph) }

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// needed says whether a cookbook of the graph needs another one.
func (l *lockfile) needed(name string) bool {
	for _, i := range l.graph {
		if _, ok := i.needs[name]; ok {
			return true
		}
	}
	return false
}

// unlock forgets a cookbook, and those that only it needed. With force, it is
// forgotten even where others need it.
func (l *lockfile) unlock(name string, force bool) {
	delete(l.dependencies, name)
	l.remove(name, force)
}

func (l *lockfile) remove(name string, force bool) {
	if l.dependencies[name] != nil || !force && l.needed(name) {
		return
	}
	i := l.graph[name]
	delete(l.graph, name)
	if i != nil {
		for _, n := range sortedKeys(i.needs) {
			l.remove(n, false)
		}
	}
}

// locks are the dependencies of all cookbooks of the graph, each held at its
// version: as the lock has them, else as the Berksfile has them.
func (l *lockfile) locks(b *berksfile) []*dependency {
	var out []*dependency
	for _, name := range l.names() {
		d := l.dependencies[name]
		if d == nil {
			d = b.lines[name]
		}
		if d == nil {
			d = &dependency{job: l.job, name: name, constraint: version.Any, groups: []string{"default"}}
		}
		held := *d // with the same place
		if held.locked == nil {
			v := l.graph[name].version
			held.locked = &v
		}
		out = append(out, &held)
	}
	return out
}

// needsOf are the dependencies of a cookbook as a graph has them.
func needsOf(m *cookbook.Metadata) map[string]string {
	out := map[string]string{}
	for _, d := range m.Dependencies {
		out[d.Name] = d.Constraint
	}
	return out
}
