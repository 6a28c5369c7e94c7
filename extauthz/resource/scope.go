package resource

import (
	"slices"
	"strings"
)

// offlineAccess and openid are scopes of the authorization server's own, which no
// resource prefixes.
var serverScopes = []string{offlineAccess, "openid", "profile", "email"}

// AskedScopes returns scopes as a client must write them to ask for them: with
// ScopePrefix, unless they have it already. With no prefix the result is the slice
// itself.
func (s *Spec) AskedScopes(scopes []string) []string {
	if s.ScopePrefix == "" {
		return scopes
	}
	asked := make([]string, len(scopes))
	for i, scope := range scopes {
		asked[i] = scope
		if !strings.HasPrefix(scope, s.ScopePrefix) && !slices.Contains(serverScopes, scope) {
			asked[i] = s.ScopePrefix + scope
		}
	}
	return asked
}

// HeldScopes returns a token's scopes by the names of the configuration: without
// ScopePrefix, each once, in the token's order. With no prefix the result is the
// slice itself.
func (s *Spec) HeldScopes(scopes []string) []string {
	if s.ScopePrefix == "" {
		return scopes
	}
	held := make([]string, 0, len(scopes))
	for _, scope := range scopes {
		name := strings.TrimPrefix(scope, s.ScopePrefix)
		if name != "" && !slices.Contains(held, name) {
			held = append(held, name)
		}
	}
	return held
}

// WithImplied returns scopes and those that they include by ScopeImplies, directly
// or through others, each once. Where there is nothing to include, the result is
// the slice itself.
func (s *Spec) WithImplied(scopes []string) []string {
	if len(s.ScopeImplies) == 0 {
		return scopes
	}
	all := slices.Clone(scopes)
	for i := 0; i < len(all); i++ { // it grows
		for _, implied := range s.ScopeImplies[all[i]] {
			if !slices.Contains(all, implied) {
				all = append(all, implied)
			}
		}
	}
	return all
}

// NeededScopes returns what a challenge asks for before a policy is evaluated:
// Scopes and the first alternative of ScopesAny.
func (s *Spec) NeededScopes() []string {
	if len(s.ScopesAny) == 0 {
		return s.Scopes
	}
	needed := slices.Clone(s.Scopes)
	for _, scope := range s.ScopesAny[0] {
		if !slices.Contains(needed, scope) {
			needed = append(needed, scope)
		}
	}
	return needed
}
