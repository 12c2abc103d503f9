package cookbook

import (
	"fmt"
	"slices"

	"github.com/galleyhq/galley/internal/text"
)

// gemRequirement is what RubyGems accepts as one requirement on a version.
var gemRequirement = text.Lazy(`\A\s*(=|!=|>|<|>=|<=|~>)?\s*([0-9]+(?:\.[0-9a-zA-Z]+)*(?:-[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?)\s*\z`)

// gemRequirements brings chef_versions or ohai_versions, lists of lists of
// requirements, into the form in which Chef writes them: each with its
// operator, each list sorted.
func gemRequirements(v any) (any, error) {
	groups, ok := v.([]any)
	if !ok {
		return nil, fmt.Errorf("%v is not a list", v)
	}
	out := make([]any, 0, len(groups))
	for _, g := range groups {
		list, ok := g.([]any)
		if !ok {
			list = []any{g}
		}
		one, err := gemDependency(list)
		if err != nil {
			return nil, err
		}
		out = append(out, one)
	}
	return out, nil
}

// gemDependency is one such list.
func gemDependency(list []any) ([]any, error) {
	var texts []string
	for _, r := range list {
		s, ok := r.(string)
		m := gemRequirement().FindStringSubmatch(s)
		if !ok || m == nil {
			return nil, fmt.Errorf("%v is not a requirement on a version", r)
		}
		if m[1] == "" {
			m[1] = "="
		}
		if text := m[1] + " " + m[2]; !slices.Contains(texts, text) {
			texts = append(texts, text)
		}
	}
	if len(texts) == 0 {
		texts = []string{">= 0"}
	}
	slices.Sort(texts)
	out := make([]any, len(texts))
	for i, t := range texts {
		out[i] = t
	}
	return out, nil
}
