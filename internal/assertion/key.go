package assertion

import "encoding/json"

// KeySet returns the JWK Set (RFC 7517) of all keys of the Signers, each once and
// public: what is served at /.well-known/jwks.json.
func KeySet(signers ...*Signer) []byte {
	set := struct {
		Keys []json.RawMessage `json:"keys"`
	}{[]json.RawMessage{}}
	seen := map[string]bool{}
	for _, signer := range signers {
		for _, key := range signer.published {
			if !seen[key.ID] {
				seen[key.ID] = true
				set.Keys = append(set.Keys, key.JWK())
			}
		}
	}
	text, err := json.Marshal(set)
	if err != nil {
		panic("assertion: a public key cannot be written: " + err.Error()) // they were read, and are valid
	}
	return text
}
