package ruby

import (
	"context"
	"errors"
	"testing"

	"github.com/galleyhq/galley/internal/env"
)

// What Ruby runs and this package does not is refused with its place and the
// way out, and a program can't rescue it.
func TestRefused(t *testing.T) {
	for _, src := range programs(t, "testdata/refused.txt") {
		for _, wrapped := range []string{src, "begin\n" + src + "\nrescue Exception\n0\nend"} {
			in := New(Config{Env: env.New([]string{"TZ=UTC"})})
			for _, lib := range []string{"set", "date", "digest"} {
				in.required[lib] = true
			}
			v, err := in.Eval(context.Background(), wrapped, "t.rb")
			var e *Error
			if !errors.As(err, &e) || e.Kind != Unsupported || e.Line == 0 || e.Col == 0 || e.Construct == "" || e.Hint() == "" {
				t.Errorf("%s\n   gave %v, %v", wrapped, v, err)
			}
		}
	}
}
