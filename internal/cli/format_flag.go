package cli

import "errors"

// formatFlag is --format table|json, beside a flag --json.
type formatFlag struct{ json *bool }

func (f formatFlag) String() string {
	if f.json != nil && *f.json {
		return "json"
	}
	return "table"
}
func (f formatFlag) Type() string { return "table|json" }
func (f formatFlag) Set(s string) error {
	if s != "json" && s != "table" {
		return errors.New("it is table or json")
	}
	*f.json = s == "json"
	return nil
}
