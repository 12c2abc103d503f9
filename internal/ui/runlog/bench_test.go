package runlog

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/galleyhq/galley/internal/ui"
	"github.com/galleyhq/galley/kitchen"
)

// BenchmarkLine is what one line of a command's output costs.
func BenchmarkLine(b *testing.B) {
	dir := b.TempDir()
	f := NewFiles(func(i string) string { return filepath.Join(dir, i+Ext) }, filepath.Join(dir, "lock"))
	defer f.Close()
	rec := NewRecorder(Options{Product: ui.Product{Name: "Galley"}}, f.Add)
	e := kitchen.Event{
		Time: time.Now(), Kind: kitchen.Output, Text: "  * apt_package[nginx] action install (up to date)", Instance: "default-debian-12",
		Action: kitchen.Converge, Run: "82de2644-37a8-4bf0-a4b3-39bfa739687e", Session: "82de2644-37a8-4bf0-a4b3-39bfa739687e", Step: "82de2644-37a8-4bf0-a4b3-39bfa739687e",
	}
	for b.Loop() {
		rec.Event(e)
	}
}
