package image

import (
	"strings"

	"github.com/galleyhq/galley/internal/devcloud/api"
)

// The properties of Glance's objects: name, type, and what bounds it. A type
// with "?" may be null; "ro" marks what only Glance sets. Clients tell the
// attributes from a user's own properties by them.
var (
	imageProperties = []string{
		"id string", "name string?", "status string ro", "visibility string", "protected boolean", "os_hidden boolean",
		"checksum string? ro", "os_hash_algo string? ro", "os_hash_value string? ro", "owner string?", "size integer? ro",
		"virtual_size integer? ro", "container_format string?", "disk_format string?", "created_at string ro", "updated_at string ro",
		"tags array", "min_ram integer", "min_disk integer", "self string ro", "file string ro", "schema string ro",
	}
	memberProperties = []string{"member_id string", "image_id string", "status string", "created_at string", "updated_at string", "schema string ro"}
	// choices are the values that a property can have.
	choices = map[string][]string{
		"visibility": visibilities, "container_format": containerFormats, "disk_format": diskFormats,
		"status": {"queued", "saving", "active", "killed", "deleted", "uploading", "importing", "pending_delete", "deactivated"},
	}
)

func propertiesOf(list []string) api.Obj {
	out := api.Obj{}
	for _, entry := range list {
		words := strings.Fields(entry)
		kind, nullable := strings.CutSuffix(words[1], "?")
		p := api.Obj{"type": kind}
		if nullable {
			p["type"] = api.List{"null", kind}
		}
		if words[len(words)-1] == "ro" {
			p["readOnly"] = true
		}
		if kind == "array" {
			p["items"] = api.Obj{"type": "string", "maxLength": 255}
		}
		if words := choices[words[0]]; words != nil {
			enum := api.List{}
			if nullable {
				enum = append(enum, nil)
			}
			for _, w := range words {
				enum = append(enum, w)
			}
			p["enum"] = enum
		}
		out[words[0]] = p
	}
	return out
}

func schema(r *api.Request) (*api.Reply, error) {
	name, many := strings.CutSuffix(r.Var("name"), "s")
	var o api.Obj
	switch name {
	case "image":
		o = api.Obj{
			"name": name, "properties": propertiesOf(imageProperties), "additionalProperties": api.Obj{"type": "string"},
			"links": api.List{
				api.Obj{"rel": "self", "href": "{self}"},
				api.Obj{"rel": "enclosure", "href": "{file}"},
				api.Obj{"rel": "describedby", "href": "{schema}"},
			},
		}
	case "member":
		o = api.Obj{"name": name, "properties": propertiesOf(memberProperties)}
		o["properties"].(api.Obj)["status"] = api.Obj{"type": "string", "enum": []string{"pending", "accepted", "rejected"}}
	default:
		return nil, api.NotFound("The resource could not be found.")
	}
	if many {
		text := api.Obj{"type": "string"}
		o = api.Obj{"name": name + "s", "properties": api.Obj{
			name + "s": api.Obj{"type": "array", "items": o}, "first": text, "next": text, "schema": text,
		}}
	}
	return api.OK(o)
}
