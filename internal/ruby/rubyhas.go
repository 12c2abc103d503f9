package ruby

import "sync"

// rubyHas tells whether Ruby 3.1 itself defines the method, so that its absence here is our lack and no mistake of
// the program.
func (in *Interp) rubyHas(self Value, name string) bool {
	names := knownMethods()
	if c, ok := self.(*Class); ok {
		for k := c; k != nil; k = k.super {
			if in.classes[k.name] == k && names[k.name+"."][name] {
				return true
			}
		}
		return names["Module"][name] || !c.isModule && names["Class"][name]
	}
	if _, ok := self.(*HostObject); ok {
		return false
	}
	if _, ok := self.(*envObject); ok {
		return names["ENV."][name]
	}
	for _, k := range in.classOf(self).ancestors() {
		if in.classes[k.name] == k && names[k.name][name] {
			return true
		}
	}
	return false
}

var knownMethods = sync.OnceValue(func() map[string]map[string]bool {
	m := map[string]map[string]bool{}
	parseNames(rubyMethodNames, func(class, name string) {
		if m[class] == nil {
			m[class] = map[string]bool{}
		}
		m[class][name] = true
	})
	return m
})

// rubyConstants are the top-level constants of Ruby 3.1.
var rubyConstants = sync.OnceValue(func() map[string]bool {
	m := map[string]bool{}
	parseNames(rubyConstantNames, func(_, name string) { m[name] = true })
	return m
})

// parseNames reads lines of the form "Class: name name …".
func parseNames(text string, add func(class, name string)) {
	class := ""
	start := 0
	for i := 0; i <= len(text); i++ {
		if i < len(text) && text[i] != ' ' && text[i] != '\n' {
			continue
		}
		if w := text[start:i]; w != "" {
			if w[len(w)-1] == ':' && (start == 0 || text[start-1] == '\n') {
				class = w[:len(w)-1]
			} else {
				add(class, w)
			}
		}
		start = i + 1
	}
}
