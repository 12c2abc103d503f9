package ui

import "fmt"

// Color is a foreground color's SGR code; 0 is none.
type Color int

// The colors that Test Kitchen and knife use.
const (
	Red     Color = 31
	Green   Color = 32
	Yellow  Color = 33
	Blue    Color = 34
	Magenta Color = 35
	Cyan    Color = 36
)

// instanceColors are given to instances in turn (Test Kitchen).
var instanceColors = [...]Color{Cyan, Yellow, Green, Magenta, Blue, 96, 93, 92, 95, 94}

// InstanceColor returns the color of the instance at that place.
func InstanceColor(index int) Color { return instanceColors[index%len(instanceColors)] }

// Paint wraps s in the color, which may be none.
func (c Color) Paint(s string) string {
	if c == 0 || s == "" {
		return s
	}
	return fmt.Sprintf("\x1b[%dm%s\x1b[0m", int(c), s)
}
