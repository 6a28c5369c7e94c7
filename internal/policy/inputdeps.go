package policy

import (
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/doorward/doorward/internal/folding"
)

// part is a member of `input` that is read, built and keyed as one.
type part uint8

// The parts. Of a mapping (query, headers, labels, parameters, claims) there is a dependency on
// each name that is read, or one without a name on the whole.
const (
	version part = iota
	direction
	destinationHost
	destinationPath
	destinationToken
	requestID
	requestMethod
	requestScheme
	requestHost
	requestPath
	requestQuery
	requestHeaders
	requestSourceAddress
	requestSourcePrincipal
	requestClientAddress
	resourceName
	resourceURI
	resourceAudiences
	resourceScopes
	resourceLabels
	resourceAliases
	resourceClients
	resourceParameters
	resourceScopesAny
	resourceOperationScopes
	resourceACRValues
	resourceMaxAge
	resourceAnonymous
	claims
	tokenIssuer
	tokenClient
	tokenScopes
	tokenProfile
	tokenBinding
	tokenTenant
	tokenBoundBy
	tokenMarked
	tokenSubjectAccepted
	tokenNoScopes
	tokenDedicated
	tokenGenericAudiences
	tokenClientIDPattern
	tokenSelfAsserted
	tokenRecent
	tokenTrusted
	mcpMethod
	mcpName
	mcpProtocolVersion
	mcpSource
	mcpTrusted
	parts             // how many there are
	container = parts // no part: an object that holds some, and that every input has
)

// mcpMember is the member of input that describes the operation, destinationMember the
// one that only a request which goes out has.
const (
	mcpMember         = "mcp"
	destinationMember = "destination"
)

// partPaths are the paths of the parts below `input`.
var partPaths = [parts][]string{
	version:                 {"version"},
	direction:               {"direction"},
	destinationHost:         {destinationMember, "host"},
	destinationPath:         {destinationMember, "path"},
	destinationToken:        {destinationMember, "token"},
	requestID:               {"request", "id"},
	requestMethod:           {"request", "method"},
	requestScheme:           {"request", "scheme"},
	requestHost:             {"request", "host"},
	requestPath:             {"request", "path"},
	requestQuery:            {"request", "query"},
	requestHeaders:          {"request", "headers"},
	requestSourceAddress:    {"request", "source_address"},
	requestSourcePrincipal:  {"request", "source_principal"},
	requestClientAddress:    {"request", "client_address"},
	resourceName:            {"resource", "name"},
	resourceURI:             {"resource", "uri"},
	resourceAudiences:       {"resource", "audiences"},
	resourceScopes:          {"resource", "scopes"},
	resourceLabels:          {"resource", "labels"},
	resourceAliases:         {"resource", "aliases"},
	resourceClients:         {"resource", "clients"},
	resourceParameters:      {"resource", "parameters"},
	resourceScopesAny:       {"resource", "scopes_any"},
	resourceOperationScopes: {"resource", "operation_scopes"},
	resourceACRValues:       {"resource", "acr_values"},
	resourceMaxAge:          {"resource", "max_age"},
	resourceAnonymous:       {"resource", "anonymous"},
	claims:                  {"claims"},
	tokenIssuer:             {"token", "issuer"},
	tokenClient:             {"token", "client"},
	tokenScopes:             {"token", "scopes"},
	tokenProfile:            {"token", "profile"},
	tokenBinding:            {"token", "binding"},
	tokenTenant:             {"token", "tenant"},
	tokenBoundBy:            {"token", "bound_by"},
	tokenMarked:             {"token", "marked"},
	tokenSubjectAccepted:    {"token", "subject_accepted"},
	tokenNoScopes:           {"token", "no_scopes"},
	tokenDedicated:          {"token", "dedicated"},
	tokenGenericAudiences:   {"token", "generic_audiences"},
	tokenClientIDPattern:    {"token", "client_id_pattern"},
	tokenSelfAsserted:       {"token", "self_asserted"},
	tokenRecent:             {"token", "recent"},
	tokenTrusted:            {"token", "trusted"},
	mcpMethod:               {mcpMember, "method"},
	mcpName:                 {mcpMember, "name"},
	mcpProtocolVersion:      {mcpMember, "protocol_version"},
	mcpSource:               {mcpMember, "source"},
	mcpTrusted:              {mcpMember, "trusted"},
}

// isFixed reports a part that [Fixed] replaces in keys.
func (p part) isFixed() bool {
	switch p {
	case resourceName, resourceURI, resourceAudiences, resourceScopes, resourceLabels, resourceAliases, resourceClients,
		resourceParameters, resourceScopesAny,
		tokenNoScopes, tokenDedicated, tokenGenericAudiences, tokenClientIDPattern, tokenSelfAsserted:
		return true
	default:
		return false
	}
}

// path is the path of the part below `input`, nil for a container.
func (p part) path() []string {
	if p < parts {
		return partPaths[p]
	}
	return nil
}

// depth is how many names below the part a dependency may have: any number for
// claims, one for a mapping of strings, 0 for a string or a list.
func (p part) depth() int {
	switch p {
	case claims:
		return int(^uint(0) >> 1)
	case requestQuery, requestHeaders, resourceLabels, resourceParameters:
		return 1
	default:
		return 0
	}
}

// dependency is one value that a decision can read: a part, or a member of one.
type dependency struct {
	part  part
	below []string    // the names below the part
	path  []string    // all names below `input`
	terms []*ast.Term // the same for OPA
}

func newDependency(p part, below []string) dependency {
	l := dependency{part: p, below: below, path: slices.Concat(p.path(), below)}
	for _, name := range l.path {
		l.terms = append(l.terms, ast.InternedTerm(name))
	}
	return l
}

// inputDeps is everything of `input` that a decision can read, sorted by path. No
// dependency contains another.
type inputDeps []dependency

// newInputDeps are the dependencies of paths below `input`. A path that ends above a
// part reads all parts below it; a path that no input has is left out. The objects
// that every input has are always included.
func newInputDeps(paths [][]string) inputDeps {
	all := inputDeps{
		newDependency(container, []string{"request", "query"}),
		newDependency(container, []string{"request", "headers"}),
		newDependency(container, []string{"resource", "labels"}),
		newDependency(container, []string{"resource", "parameters"}),
		newDependency(container, []string{"claims"}),
		newDependency(container, []string{"token"}),
	}
	for _, path := range paths {
		for p := range parts {
			if l, reads := dependencyOf(p, path); reads {
				all = append(all, l)
			}
		}
	}
	slices.SortStableFunc(all, func(a, b dependency) int { return slices.Compare(a.path, b.path) })
	var least inputDeps
	for _, l := range all {
		last := len(least) - 1
		switch {
		case last >= 0 && least[last].part == container && hasPrefix(l.path, least[last].path):
			least[last] = l
		case last < 0 || !hasPrefix(l.path, least[last].path):
			least = append(least, l)
		}
	}
	return least
}

func dependencyOf(p part, path []string) (dependency, bool) {
	at := p.path()
	switch {
	case hasPrefix(at, path):
		return newDependency(p, nil), true
	case !hasPrefix(path, at):
		return dependency{}, false
	}
	below := path[len(at):]
	below = below[:min(len(below), p.depth())]
	// A name that is not UTF-8 has this rune for each invalid byte, and could be any.
	invalid := func(name string) bool { return strings.ContainsRune(name, utf8.RuneError) }
	if i := slices.IndexFunc(below, invalid); i >= 0 {
		below = below[:i]
	}
	return newDependency(p, below), len(below) == 0 || !p.hides(below[0])
}

// hides reports the names in a mapping that no policy sees.
func (p part) hides(name string) bool {
	return p == requestHeaders && credential(name) || p == requestQuery && folding.DecodedParameter(name, queryToken)
}

func hasPrefix(path, prefix []string) bool {
	return len(path) >= len(prefix) && slices.Equal(path[:len(prefix)], prefix)
}

// paths are those with the same dependencies.
func (f inputDeps) paths() [][]string {
	var paths [][]string
	for _, l := range f {
		if l.part != container {
			paths = append(paths, l.path)
		}
	}
	return paths
}

// request are the dependencies on members of input.request. They are adjacent,
// because dependencies are sorted by path.
func (f inputDeps) request() inputDeps {
	isRequest := func(l dependency) bool { return l.path[0] == "request" }
	first := slices.IndexFunc(f, isRequest)
	if first < 0 {
		return nil
	}
	if after := slices.IndexFunc(f[first:], func(l dependency) bool { return !isRequest(l) }); after > 0 {
		return f[first : first+after]
	}
	return f[first:]
}

// hasAll reports whether all of a part is read.
func (f inputDeps) hasAll(p part) bool {
	return slices.ContainsFunc(f, func(l dependency) bool { return l.part == p && len(l.below) == 0 })
}
