package lint

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	const cookstyle = "cookstyle\nsome warning\n" + `{"files":[{"path":"recipes/default.rb","offenses":[
{"severity":"refactor","message":"Chef/Modernize/X: Use y.","cop_name":"Chef/Modernize/X","location":{"line":3,"column":1}}]},{"path":"metadata.rb","offenses":[]}]}`
	program, list, err := Parse(cookstyle, 1, "here")
	if want := []Offense{{"recipes/default.rb", 3, "Chef/Modernize/X", "refactor", "Use y."}}; err != nil || program != "cookstyle" || !slices.Equal(list, want) {
		t.Errorf("%s, %v, %v", program, list, err)
	}
	program, list, err = Parse("foodcritic\nChecking 2 files\n..\nFC064: Ensure issues_url is set in metadata: ./metadata.rb:1\n", 0, "here")
	if want := []Offense{{"metadata.rb", 1, "FC064", "warning", "Ensure issues_url is set in metadata"}}; err != nil || program != "foodcritic" || !slices.Equal(list, want) {
		t.Errorf("%s, %v, %v", program, list, err)
	}
	var missing *MissingError
	if _, _, err := Parse("", 90, "on web"); !errors.As(err, &missing) || !strings.Contains(err.Error(), "on web") || missing.Hint() == "" {
		t.Errorf("without a program: %v", err)
	}
	for _, out := range []string{"cookstyle\nboom", "foodcritic\nboom", "sh: error"} {
		if _, _, err := Parse(out, 2, "here"); err == nil || !strings.Contains(err.Error(), strings.Fields(out)[1]) {
			t.Errorf("%q: %v", out, err)
		}
	}
	text, err := JUnit("web", "cookstyle", list)
	if err != nil || !strings.Contains(string(text), `failures="1"`) || !strings.Contains(string(text), `name="FC064 metadata.rb:1"`) {
		t.Errorf("%s, %v", text, err)
	}
}
