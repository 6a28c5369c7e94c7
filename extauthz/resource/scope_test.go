package resource

import (
	"slices"
	"strings"
	"testing"
)

// TestScopePrefix: a client asks with the prefix, and a token has either form.
func TestScopePrefix(t *testing.T) {
	s := Spec{ScopePrefix: "api://6f1c/"}
	asked := s.AskedScopes([]string{"mcp:read", "api://6f1c/mcp:write", "openid", "offline_access"})
	if want := []string{"api://6f1c/mcp:read", "api://6f1c/mcp:write", "openid", "offline_access"}; !slices.Equal(asked, want) {
		t.Errorf("asked: %q", asked)
	}
	held := s.HeldScopes([]string{"mcp:read", "api://6f1c/mcp:read", "api://6f1c/", "api://other/x"})
	if want := []string{"mcp:read", "api://other/x"}; !slices.Equal(held, want) {
		t.Errorf("held: %q", held)
	}
}

// TestImplied is transitive, and adds each scope once.
func TestImplied(t *testing.T) {
	s := Spec{ScopeImplies: map[string][]string{"admin": {"write", "read"}, "write": {"read", "list"}, "x": {"y"}}}
	for _, row := range []struct{ has, want []string }{
		{[]string{"admin"}, []string{"admin", "write", "read", "list"}},
		{[]string{"read"}, []string{"read"}},
		{[]string{"write", "admin"}, []string{"write", "admin", "read", "list"}},
		{nil, nil},
	} {
		if got := s.WithImplied(row.has); !slices.Equal(got, row.want) {
			t.Errorf("%q: %q", row.has, got)
		}
	}
}

// TestScopeProblems of scope_implies, scopes_any and scope_prefix.
func TestScopeProblems(t *testing.T) {
	for intent, row := range map[string]struct {
		change func(*Spec)
		want   string
	}{
		"itself":                {func(s *Spec) { s.ScopeImplies = map[string][]string{"a": {"a"}} }, "includes itself"},
		"a cycle of two":        {func(s *Spec) { s.ScopeImplies = map[string][]string{"a": {"b"}, "b": {"a"}} }, "includes itself"},
		"a cycle of three":      {func(s *Spec) { s.ScopeImplies = map[string][]string{"a": {"b"}, "b": {"c"}, "c": {"a"}} }, "includes itself"},
		"no cycle":              {func(s *Spec) { s.ScopeImplies = map[string][]string{"a": {"b", "c"}, "b": {"c"}} }, ""},
		"a scope with a space":  {func(s *Spec) { s.ScopeImplies = map[string][]string{"a": {"b c"}} }, "is not one scope"},
		"an empty alternative":  {func(s *Spec) { s.ScopesAny = [][]string{{"a"}, {}} }, "is empty, which every token has"},
		"alternatives":          {func(s *Spec) { s.ScopesAny = [][]string{{"a"}, {"b", "c"}} }, ""},
		"a prefix with a space": {func(s *Spec) { s.ScopePrefix = "a b" }, "is not the beginning of a scope"},
	} {
		s := spec("https://h.example")
		row.change(&s)
		_, problems := NewTable([]Spec{s}, nil)
		errors := problems.Errors()
		if row.want == "" && len(errors) > 0 || row.want != "" && (len(errors) == 0 || !strings.HasPrefix(errors[0].Message, row.want)) {
			t.Errorf("%s: %v", intent, errors)
		}
	}
}

// TestSegments: a star is one whole segment, and never more than that.
func TestSegments(t *testing.T) {
	for _, row := range []struct {
		accepted, value string
		want            bool
	}{
		{"system:serviceaccount:prod:agent", "system:serviceaccount:prod:agent", true},
		{"system:serviceaccount:prod:agent", "system:serviceaccount:prod:agent2", false},
		{"system:serviceaccount:prod:*", "system:serviceaccount:prod:agent", true},
		{"system:serviceaccount:prod:*", "system:serviceaccount:prod:", false},
		{"system:serviceaccount:prod:*", "system:serviceaccount:prod:a:b", false},
		{"repo:acme/*:ref:refs/heads/main", "repo:acme/app:ref:refs/heads/main", true},
		{"repo:acme/*:ref:refs/heads/main", "repo:acme/app/x:ref:refs/heads/main", false},
		{"repo:acme/*:ref:refs/heads/main", "repo:acme/app:ref:refs/heads/main2", false},
		{"repo:*/*:x", "repo:a/b:x", true},
		{"repo:acme/app", "repo:acme/APP", false},
	} {
		if got := matchesSegments(row.accepted, row.value); got != row.want {
			t.Errorf("%s, %s: %t", row.accepted, row.value, got)
		}
	}
	for value, want := range map[string]string{
		"repo:*/x": "matches the repositories of every owner", "system:serviceaccount:*:*": "matches every service account",
		"repo:acme/*": "", "system:serviceaccount:*:agent": "", "repository:*": "",
	} {
		s := spec("https://h.example")
		s.Claims = map[string][]string{"sub": {value}}
		_, problems := NewTable([]Spec{s}, nil)
		if len(problems.Errors()) > 0 || (want != "") != (len(problems) == 1 && strings.HasPrefix(problems[0].Message, want)) {
			t.Errorf("%s: %v", value, problems)
		}
	}
	for value, want := range map[string]string{
		"repo:acme*": "has * in a part of a segment", "*": "matches every value", "*:*": "matches every value", "repo:*/x": "",
	} {
		s := spec("https://h.example")
		s.Subjects = []string{value}
		_, problems := NewTable([]Spec{s}, nil)
		if errors := problems.Errors(); want == "" && len(errors) > 0 || want != "" && (len(errors) == 0 || !strings.HasPrefix(errors[0].Message, want)) {
			t.Errorf("%s: %v", value, errors)
		}
	}
}
