package openstack

import "encoding/json"

// encodeYAML writes a mapping as YAML. JSON is YAML: every reader of
// cloud-config takes it, and nothing in it can be read in two ways.
func encodeYAML(v map[string]any) []byte {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return nil // The data came out of YAML: it has nothing JSON lacks.
	}
	return append(b, '\n')
}
