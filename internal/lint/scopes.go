package lint

import (
	"fmt"
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"
)

// unknownScope warns of a rule that denies without a scope that no client learns of:
// neither a challenge names it, because no rule of scopes and no key does, nor the
// document of a resource.
func (r *reader) unknownScope(at *ast.Location, scope ast.String) {
	head := r.rule.Head.Ref()[0].Value
	denies := head.Compare(ast.Var("deny")) == 0 || head.Compare(ast.Var("require")) == 0
	if r.known.Scopes == nil || !denies || slices.Contains(r.known.Scopes, string(scope)) || r.demanded(scope) {
		return
	}
	r.warn(at, fmt.Sprintf("no challenge and no document names %s, so that no client learns to ask for it", scope),
		fmt.Sprintf("write scopes contains %s if … in place of this rule, or name it in scopes, operations or "+
			"metadata.scopes_supported", scope))
}

// demanded reports whether a rule of scopes, in any package, may have a scope: as a
// constant, or as something that is known only with a request.
func (r *reader) demanded(scope ast.String) bool {
	for _, rules := range r.helpers {
		for _, rule := range rules {
			key := rule.Head.Key
			isScopes := rule.Head.Ref()[0].Value.Compare(ast.Var("scopes")) == 0
			if isScopes && key != nil && (key.Value.Compare(scope) == 0 || !ast.IsConstant(key.Value)) {
				return true
			}
		}
	}
	return false
}
