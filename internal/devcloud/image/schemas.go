package image

import "github.com/galleyhq/galley/internal/devcloud/api"

func property(kind any, description string, more ...api.Obj) api.Obj {
	p := api.Obj{"type": kind, "description": description}
	for _, m := range more {
		for k, v := range m {
			p[k] = v
		}
	}
	return p
}

func enum(words []string, nullable bool) api.Obj {
	l := api.List{}
	if nullable {
		l = append(l, nil)
	}
	for _, w := range words {
		l = append(l, w)
	}
	return api.Obj{"enum": l}
}

// imageSchema is what Glance's clients read to tell its attributes from a
// user's properties.
func imageSchema() api.Obj {
	ro := api.Obj{"readOnly": true}
	nullable := api.List{"null", "string"}
	return api.Obj{
		"name": "image", "additionalProperties": api.Obj{"type": "string"},
		"links": api.List{
			api.Obj{"rel": "self", "href": "{self}"},
			api.Obj{"rel": "enclosure", "href": "{file}"},
			api.Obj{"rel": "describedby", "href": "{schema}"},
		},
		"properties": api.Obj{
			"id":   property("string", "An identifier for the image"),
			"name": property(nullable, "Descriptive name for the image", api.Obj{"maxLength": 255}),
			"status": property(
				"string",
				"Status of the image",
				ro,
				enum(
					[]string{
						"queued",
						"saving",
						"active",
						"killed",
						"deleted",
						"uploading",
						"importing",
						"pending_delete",
						"deactivated",
					},
					false,
				),
			),
			"visibility":   property("string", "Scope of image accessibility", enum(visibilities, false)),
			"protected":    property("boolean", "If true, image will not be deletable."),
			"os_hidden":    property("boolean", "If true, image will not appear in default image list response."),
			"checksum":     property(nullable, "md5 hash of image contents.", ro),
			"os_hash_algo": property(nullable, "Algorithm to calculate the os_hash_value", ro),
			"os_hash_value": property(
				nullable,
				"Hexdigest of the image contents using the algorithm specified by the os_hash_algo",
				ro,
			),
			"owner":            property(nullable, "Owner of the image"),
			"size":             property(api.List{"null", "integer"}, "Size of image file in bytes", ro),
			"virtual_size":     property(api.List{"null", "integer"}, "Virtual size of image in bytes", ro),
			"container_format": property(nullable, "Format of the container", enum(containerFormats, true)),
			"disk_format":      property(nullable, "Format of the disk", enum(diskFormats, true)),
			"created_at":       property("string", "Date and time of image registration", ro),
			"updated_at":       property("string", "Date and time of the last image modification", ro),
			"tags": property(
				"array",
				"List of strings related to the image",
				api.Obj{"items": api.Obj{"type": "string", "maxLength": 255}},
			),
			"min_ram":  property("integer", "Amount of ram (in MB) required to boot image."),
			"min_disk": property("integer", "Amount of disk space (in GB) required to boot image."),
			"self":     property("string", "An image self url", ro),
			"file":     property("string", "An image file url", ro),
			"schema":   property("string", "An image schema url", ro),
		},
	}
}

func memberSchema() api.Obj {
	return api.Obj{"name": "member", "properties": api.Obj{
		"member_id": property("string", "An identifier for the image member (tenantId)"),
		"image_id":  property("string", "An identifier for the image"),
		"status": property(
			"string",
			"The status of this image member",
			enum([]string{"pending", "accepted", "rejected"}, false),
		),
		"created_at": property("string", "Date and time of image member creation"),
		"updated_at": property("string", "Date and time of last modification of image member"),
		"schema":     property("string", "", api.Obj{"readOnly": true}),
	}}
}

func collection(name, element string, schema api.Obj) api.Obj {
	return api.Obj{"name": name, "properties": api.Obj{
		name: api.Obj{"type": "array", "items": schema}, "first": api.Obj{"type": "string"},
		"next": api.Obj{"type": "string"}, "schema": api.Obj{"type": "string"},
	}}
}

func (s *Service) schema(r *api.Request) (*api.Reply, error) {
	switch r.Var("name") {
	case "image":
		return api.OK(imageSchema())
	case "images":
		return api.OK(collection("images", "image", imageSchema()))
	case "member":
		return api.OK(memberSchema())
	case "members":
		return api.OK(collection("members", "member", memberSchema()))
	}
	return nil, api.NotFound("The resource could not be found.")
}
