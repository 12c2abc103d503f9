package session

import (
	"testing"

	"github.com/galleyhq/galley/internal/credentials"
)

func TestLoginOptions(t *testing.T) {
	app := credentials.Auth{AppCredID: "id", AppCredSecret: "s", ProjectName: "left over"}
	if o, _ := v3Options(app); o.Scope != nil || o.ApplicationCredentialID != "id" || o.ApplicationCredentialSecret != "s" || o.Password != "" {
		t.Errorf("application credential: %+v", o)
	}
	if o, plain := v3Options(credentials.Auth{Token: "t"}); !plain || o.TokenID != "t" {
		t.Errorf("token: %+v %v", o, plain)
	}
	if !scope(credentials.Auth{SystemScope: true}).System {
		t.Error("no system scope")
	}
}
