package jwks

import (
	"encoding/json"
	"fmt"

	"github.com/doorward/doorward/internal/strictjson"
)

// text reads a member that must be a string where it is present. A null is
// present, and no string.
func text(from map[string]json.RawMessage, name string) (value string, present bool, err error) {
	raw, present := from[name]
	if !present {
		return "", false, nil
	}
	decoded, err := strictjson.Value(raw)
	value, isString := decoded.(string)
	if err != nil || !isString {
		return "", true, fmt.Errorf("%s is not a string", name)
	}
	return value, true, nil
}
