package image

import (
	"strings"

	"github.com/galleyhq/galley/internal/devcloud/api"
	"github.com/galleyhq/galley/internal/devcloud/db"
)

// schema names an image's attributes, from which older clients tell a user's
// own properties.
func schema(r *api.Request) (*api.Reply, error) {
	name, many := strings.CutSuffix(r.Var("name"), "s")
	if name != "image" {
		return nil, api.NotFound("The resource could not be found.")
	}
	properties := api.Obj{}
	for key := range View(&db.Image{}) {
		properties[key] = api.Obj{}
	}
	o := api.Obj{"name": name, "properties": properties, "additionalProperties": api.Obj{"type": "string"}, "links": api.List{
		api.Obj{"rel": "self", "href": "{self}"}, api.Obj{"rel": "enclosure", "href": "{file}"}, api.Obj{"rel": "describedby", "href": "{schema}"},
	}}
	if many {
		text := api.Obj{"type": "string"}
		o = api.Obj{"name": "images", "properties": api.Obj{
			"images": api.Obj{"type": "array", "items": o}, "first": text, "next": text, "schema": text,
		}}
	}
	return api.OK(o)
}
