package config

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/doorward/doorward/extauthz/finding"
)

// Package is the Rego package that a resource names as its own.
type Package struct {
	Resource string // the resource's name
	Name     string // such as "authz.weather"

	File         string // the place of Name in the configuration
	Line, Column int
}

// Packages are the packages of all resources that name one.
type Packages []Package

// ByResource maps the name of each resource to the name of its package.
func (ps Packages) ByResource() map[string]string {
	names := map[string]string{}
	for _, p := range ps {
		names[p.Resource] = p.Name
	}
	return names
}

// Locate gives each finding about the policy of a resource the place where the
// configuration names its package. Other findings are returned unchanged.
func (ps Packages) Locate(found finding.List) finding.List {
	found = slices.Clone(found)
	for i, f := range found {
		if f.Resource == "" {
			continue
		}
		found[i].Message = "policy of resource " + f.Resource + " is " + f.Message
		for _, p := range ps {
			if p.Resource == f.Resource {
				found[i].File, found[i].Line, found[i].Column = p.File, p.Line, p.Column
			}
		}
	}
	return found
}

// packages returns the packages with a valid name.
func (r *reader) packages() Packages {
	var all Packages
	for i, e := range r.doc.Resources {
		if e.Policy != "" && packageFault(e.Policy) == "" {
			at := r.placeOf(element("resources", i) + ".policy")
			all = append(all, Package{cmp.Or(e.Name, e.Resource), e.Policy, at.file, at.line, at.column})
		}
	}
	return all
}

// packageForm matches a package below authz.
var packageForm = regexp.MustCompile(`^authz(\.[A-Za-z_][A-Za-z0-9_]*)+$`)

// checkPackage checks the name alone. The policy compiler reports a package that
// does not exist.
func (r *reader) checkPackage(path, pkg string) {
	if fault := packageFault(pkg); fault != "" {
		r.problem(path, fmt.Sprintf("is %q, %s", pkg, fault),
			"write a name of your own below authz, in letters, digits and _, such as authz.weather")
	}
}

// packageFault returns the problem with a name, "" if there is none. Names of rules
// are reserved: authz.deny would be a rule of authz.
func packageFault(pkg string) string {
	words := strings.FieldsFunc(pkg, func(c rune) bool { return c == '.' })
	switch {
	case pkg == "":
		return ""
	case !packageForm.MatchString(pkg):
		return "which is not a package below authz"
	case slices.ContainsFunc(words, func(word string) bool {
		return slices.Contains([]string{"require", "deny", "scopes", "warn", "headers"}, word)
	}):
		return "which contains the name of a rule"
	}
	return ""
}
