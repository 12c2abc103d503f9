package openrc

import (
	"strings"
	"testing"
)

func TestWindowsScripts(t *testing.T) {
	for _, name := range []string{"rc.ps1", "RC.BAT", "rc.cmd"} {
		_, err := ReadString(t.Context(), "set OS_USERNAME=me\r\n", name, Options{})
		if err == nil || !strings.Contains(err.Error(), name+": it is a script of Windows' own shells") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
