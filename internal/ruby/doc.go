// Package ruby reads and evaluates the part of Ruby that configuration files are written in: the code inside the ERB
// tags of kitchen.yml, knife.rb, metadata.rb, a Berksfile, a Policyfile.
//
// It is a lexer, a parser and an evaluator written here, with the semantics of Ruby 3.1. Nothing of the process is
// changed by a program: it works on a private copy of the environment ([env.Env]), cannot write files, and starts commands
// only where [Config.AllowExec] says so. Evaluation is bounded in steps, depth, memory and time ([Limits]), so that a
// hostile file ends in an error rather than in a hang.
//
// What is not supported is refused by name, with file, line and column; it is never guessed. Such a refusal, and an
// exhausted limit, can't be rescued by the program, because continuing would give another result than Ruby's.
//
// Reading a file takes three steps:
//
//	prog, err := ruby.Parse(src, ruby.Options{File: "knife.rb"})
//	in := ruby.New(ruby.Config{Env: env.New(os.Environ()), Host: settings})
//	v, err := in.Run(ctx, prog)
//
// An [Interp] keeps what a program leaves behind (environment, globals, constants, methods) for the next one, as one
// Ruby process does; local variables end with their program. Calls that neither Ruby nor the program knows
// (`node_name "x"`, `depends "a", "~> 1"`) go to the [Host]. [ToGo] turns results into plain Go data.
//
// The package is meant for whoever reads such files: internal/config/erb, internal/config and the knife reader.
package ruby
