package config

func testEnv(m map[string]string) *Env { return &Env{vars: m} }

func (e *Env) Set(k, v string) { e.vars[k] = v }
