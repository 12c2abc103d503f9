package api

import (
	"encoding/json"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
)

// PyStr writes a value as Python's str does, as the services' messages show it.
func PyStr(v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	return PyRepr(v)
}

// PyRepr writes a value as Python's repr does.
func PyRepr(v any) string {
	switch x := v.(type) {
	case nil:
		return "None"
	case bool:
		if x {
			return "True"
		}
		return "False"
	case string:
		if strings.Contains(x, "'") && !strings.Contains(x, `"`) {
			return `"` + x + `"`
		}
		return "'" + strings.ReplaceAll(x, "'", `\'`) + "'"
	case float64:
		if x == math.Trunc(x) && math.Abs(x) < 1e15 {
			return strconv.FormatInt(int64(x), 10)
		}
		return strconv.FormatFloat(x, 'g', -1, 64)
	case []any:
		var l []string
		for _, e := range x {
			l = append(l, PyRepr(e))
		}
		return "[" + strings.Join(l, ", ") + "]"
	case Obj:
		var l []string
		for _, k := range slices.Sorted(maps.Keys(x)) {
			l = append(l, PyRepr(k)+": "+PyRepr(x[k]))
		}
		return "{" + strings.Join(l, ", ") + "}"
	}
	b, _ := json.Marshal(v)
	return string(b)
}
