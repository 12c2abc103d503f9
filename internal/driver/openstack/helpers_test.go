package openstack_test

import (
	"errors"
	"fmt"
)

func sprintf(format string, args ...any) string { return fmt.Sprintf(format, args...) }

// report logs an error with its hint.
func (f *fixture) report(err error) {
	f.t.Helper()
	var h interface{ Hint() string }
	if errors.As(err, &h) {
		f.t.Logf("hint: %s", h.Hint())
	}
	f.t.Error(err)
}
