package config

import (
	"github.com/galleyhq/galley/internal/env"
)

func testEnv(m map[string]string) *Env { return env.FromMap(m) }
