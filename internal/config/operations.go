package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/doorward/doorward/extauthz/resource"
	"github.com/doorward/doorward/internal/mcp"
)

// methods are those that clients send to servers, in any revision of MCP.
var methods = []string{
	"tools/call", "tools/list", "resources/read", "resources/list", "resources/templates/list", "resources/subscribe",
	"resources/unsubscribe", "prompts/get", "prompts/list", "completion/complete", "logging/setLevel",
	"subscriptions/listen", "tasks/get", "tasks/result", "tasks/list", "tasks/cancel", "tasks/update",
	"initialize", "ping", "server/discover", "notifications/initialized", "notifications/cancelled",
	"notifications/progress", "notifications/roots/list_changed",
}

// namedMethods are those of methods with a name: a tool, a prompt, a URI or a reference.
var namedMethods = []string{
	"tools/call", "prompts/get", "resources/read", "resources/subscribe", "resources/unsubscribe",
	"completion/complete",
}

// isExempt reports a method that needs no scopes of its own, whatever is configured.
func isExempt(method string) bool { return mcp.Operation{Method: method}.IsExempt() }

func (e entry) operations() []resource.Operation {
	var all []resource.Operation
	for _, o := range e.Operations {
		all = append(all, resource.Operation(o))
	}
	return all
}

func (e entry) anonymous() []resource.Operation {
	var all []resource.Operation
	for _, o := range e.Anonymous {
		all = append(all, resource.Operation{Method: o.Method, Name: o.Name})
	}
	return all
}

func (m mcpRules) spec() resource.MCP {
	return resource.MCP{
		HeadersChecked: m.HeadersCheckedByServer, FilterMetadata: m.FilterMetadata == trustedMetadata,
		AllowBatch: m.AllowBatch, JSONRPCDenials: m.Denials == jsonRPCDenials,
	}
}

// checkOperations checks methods against those of MCP. What needs no list of methods
// is checked by resource.NewTable.
func (r *reader) checkOperations(at string, e entry) {
	for i, o := range e.Operations {
		path := element(at+".operations", i)
		if isExempt(o.Method) {
			r.problem(path+".method", "is "+o.Method+", which needs no scopes and no login of its own",
				"remove the entry: initialize, ping, server/discover and notifications need the resource's "+
					"scopes alone")
			continue
		}
		r.checkMethod(path, o.Method, o.Name)
		if r.written(path+".max_age") && o.MaxAge == 0 {
			r.problem(path+".max_age", "is 0, which no login meets", "write a duration such as 5m, or remove it")
		}
	}
	for i, o := range e.Anonymous {
		r.checkMethod(element(at+".anonymous", i), o.Method, o.Name)
	}
	if e.AnonymousSessions && len(e.Anonymous) == 0 {
		r.warn(at+".anonymous_sessions", "has no effect without anonymous",
			"name operations in anonymous, or remove it")
	}
}

// checkMethod refuses a method that is a misspelling, and a name that a method
// never has. A method that is like no other may be of an extension.
func (r *reader) checkMethod(path, method, name string) {
	if method == "" || strings.ContainsAny(method, "* ") || isHTTPMethod(method) {
		return // see resource.NewTable
	}
	if name != "" && slices.Contains(methods, method) && !slices.Contains(namedMethods, method) {
		r.problem(path+".name", fmt.Sprintf("is %q, and %s has no name", name, method),
			"remove it; the methods with a name are "+strings.Join(namedMethods, ", "))
	}
	if slices.Contains(methods, method) || strings.HasPrefix(method, "notifications/") {
		return
	}
	at := r.pathOfMethod(path)
	switch nearest := Nearest(method, methods); {
	case nearest != "":
		r.problem(at, fmt.Sprintf("is %q, which is no method of MCP", method), fmt.Sprintf("did you mean %q?", nearest))
	case name != "":
		r.problem(path+".name", fmt.Sprintf("is %q, and doorward knows no name of %s", name, method),
			"remove it; the methods with a name are "+strings.Join(namedMethods, ", "))
	default:
		r.warn(at, fmt.Sprintf("is %q, which is no method of MCP", method),
			"write one such as tools/call, or be sure that the server has this one")
	}
}

// pathOfMethod returns the path of an entry's method, which may be the entry itself.
func (r *reader) pathOfMethod(path string) string {
	if r.written(path + ".method") {
		return path + ".method"
	}
	return path
}

// isHTTPMethod reports what is a method of HTTP, not of MCP.
func isHTTPMethod(method string) bool {
	return slices.Contains([]string{"GET", "HEAD", "DELETE", "POST", "OPTIONS"}, strings.ToUpper(method))
}
