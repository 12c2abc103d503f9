package config

import "github.com/galleyhq/galley/internal/ruby"

func testEnv(m map[string]string) *Env { return ruby.NewEnvMap(m) }
