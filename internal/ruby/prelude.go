package ruby

import (
	"embed"
	"fmt"
	"sync"
)

// The part of Ruby's library that is written in Ruby, as that is shorter and
// its speed does not matter.
//
//go:embed lib/*.rb
var preludeFiles embed.FS

var preludePrograms = sync.OnceValue(func() []*Program {
	files, err := preludeFiles.ReadDir("lib")
	if err != nil {
		panic(err)
	}
	var out []*Program
	for _, f := range files {
		src, err := preludeFiles.ReadFile("lib/" + f.Name())
		if err != nil {
			panic(err)
		}
		prog, err := Parse(string(src), Options{File: f.Name(), library: true})
		if err != nil {
			panic(fmt.Sprintf("the library of Ruby: %v", err))
		}
		prog.prelude = true
		out = append(out, prog)
	}
	return out
})

func (in *Interp) loadPrelude() {
	for _, prog := range preludePrograms() {
		in.ev(prog.body, in.topFrame(prog))
	}
	in.adopt(in.cObject)
	in.steps, in.bytes, in.depth, in.curProg = 0, 0, 0, nil
}

// adopt makes the classes that the prelude defined Ruby's own.
func (in *Interp) adopt(c *Class) {
	for _, v := range c.consts {
		if k, ok := v.(*Class); ok && !in.isBuiltin(k) {
			in.classes[k.name] = k
			in.adopt(k)
		}
	}
}
