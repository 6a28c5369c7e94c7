package jwks

import (
	"fmt"

	"github.com/doorward/doorward/internal/strictjson"
)

// text reads a member that must be a string where it is present. A null is present
// and not a string.
func text(from strictjson.Members, name string) (value string, present bool, err error) {
	raw := from.Get(name)
	if !raw.Present() {
		return "", false, nil
	}
	if raw.Is('"') {
		decoded, err := strictjson.Value(raw)
		if value, isString := decoded.(string); err == nil && isString {
			return value, true, nil
		}
	}
	return "", true, fmt.Errorf("%s is not a string", name)
}
