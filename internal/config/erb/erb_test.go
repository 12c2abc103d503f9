package erb

import (
	"context"
	"testing"

	"github.com/galleyhq/galley/internal/config/ruby"
)

func TestRender(t *testing.T) {
	tests := []struct{ name, src, want string }{
		{"plain", "a: b\n", "a: b\n"},
		{"value", "a: <%= ENV['X'] %>\n", "a: x\n"},
		{"unset is empty", "a: <%= ENV['NOPE'] %>/t\n", "a: /t\n"},
		{"unclosed tag", "a <%= 1", "a  1"},
		{"block", "<% if ENV['X'] %>\ny\n<% end %>z\n", "\ny\nz\n"},
		{"loop", "<% %w(a b).each do |n| %>- <%= n %>\n<% end %>", "- a\n- b\n"},
		{"escapes", "<%%= a %%> <%= 'a %%> b' %>\n<%# c \n d %>q\n<%= 2 # c\n %>", "<%= a %%> a %> b\nq\n2"},
		{"unary minus", "<%- x = 1 %>ok", "ok"},
		{"hash sign and quotes", "\"#a #{b}\" \\n\n", "\"#a #{b}\" \\n\n"},
		{"several lines", "<%\nx = 1\ny = 2\n%>\n<%= x + y %>\n", "\n3\n"},
		{"case in one tag", "<% case ENV['X'] when 'x' %>hit<% else %>miss<% end %>", "hit"},
		{"comment tag runs nothing", "a<%# raise 'x' %>b", "ab"},
		{"interpolated", "<%= \"#x #{ENV['X']}\" %>", "#x x"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			in := ruby.New(ruby.Config{Env: ruby.NewEnv([]string{"X=x"})})
			got, err := Render(context.Background(), tt.src, "kitchen.yml", in)
			if err != nil {
				t.Fatal(err)
			}
			if got.Text != tt.want {
				t.Errorf("got %q, want %q", got.Text, tt.want)
			}
		})
	}
}
