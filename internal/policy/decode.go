package policy

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// maxOutput bounds the strings of a decision, in bytes, and maxElements its
// elements.
const (
	maxOutput   = 64 << 10
	maxElements = 1 << 10
)

// codeForm is the form of a `deny` code, from the contract.
var codeForm = regexp.MustCompile(`^[a-z0-9_]{1,64}$`)

var (
	errUndefined = errors.New("policy: data.doorward.decision is undefined")
	errTooLarge  = errors.New("policy: the decision is too large: a decision may say 64 KiB in 1024 elements")
)

func shape(format string, args ...any) error {
	return fmt.Errorf("policy: wrong shape: "+format, args...)
}

// decoder reads the value of a decision. Whatever is not exactly
// as expected is an error, and no error repeats a value.
type decoder struct {
	textLeft, elementsLeft int
	rules                  teamRules // whose decision it is
	element                ast.Value // the last that was read
}

// teamOutput is the decision with the output of the team's rules.
type teamOutput struct {
	outcome Outcome
	strip   Strip
	deny    []Message // sorted
	unmet   []string  // as "authz.require.NAME", sorted
	scopes  []string
	warn    []Message
	headers map[string]string
}

// outcomeOf is the outcome for a word of decision.rego, and the members that it has.
func outcomeOf(word string) (Outcome, []string) {
	switch word {
	case "audience_mismatch":
		return AudienceMismatch, []string{"outcome"}
	case "passthrough":
		return Passthrough, []string{"outcome"}
	case "policy_denied":
		return Denied, []string{"outcome", "team"}
	case "insufficient_user_authentication":
		return InsufficientUserAuthentication, []string{"outcome", "team"}
	case "insufficient_scope":
		return InsufficientScope, []string{"outcome", "team"}
	case "allowed":
		return Allowed, []string{"outcome", "strip", "team"}
	case "allowed_anonymous":
		return AllowedAnonymous, []string{"outcome", "strip", "team"}
	}
	return Failed, nil
}

func (d *decoder) decision(v ast.Value, by teamRules) (teamOutput, error) {
	d.rules = by
	var s teamOutput
	o, ok := v.(ast.Object)
	if !ok {
		return s, shape("data.doorward.decision is no object")
	}
	word, err := d.text(o.Get(ast.InternedTerm("outcome")), "outcome")
	if err != nil {
		return s, err
	}
	outcome, members := outcomeOf(word)
	if outcome == Failed || !exactly(o, members) {
		return s, shape("data.doorward.decision has an unknown outcome or other members than that outcome has")
	}
	if outcome.allows() {
		if s.strip, err = d.strip(o.Get(ast.InternedTerm("strip"))); err != nil {
			return s, err
		}
	}
	if outcome != AudienceMismatch && outcome != Passthrough {
		if err := d.team(o.Get(ast.InternedTerm("team")), &s); err != nil {
			return s, err
		}
	}
	s.outcome = outcome
	return s, nil
}

func (d *decoder) strip(t *ast.Term) (Strip, error) {
	var s Strip
	o, ok := t.Value.(ast.Object)
	if !ok || !exactly(o, []string{"headers", "query"}) {
		return s, shape("strip is not exactly headers and query")
	}
	var err error
	if s.Headers, err = d.texts(o.Get(ast.InternedTerm("headers")), "strip.headers"); err != nil {
		return s, err
	}
	s.Query, err = d.texts(o.Get(ast.InternedTerm("query")), "strip.query")
	return s, err
}

func (d *decoder) team(t *ast.Term, s *teamOutput) error {
	o, ok := t.Value.(ast.Object)
	if !ok || !exactly(o, []string{"deny", "unmet", "scopes", "warn", "headers"}) {
		return shape("team is not exactly deny, unmet, scopes, warn and headers")
	}
	get := func(name string) *ast.Term { return o.Get(ast.InternedTerm(name)) }
	var err error
	if s.deny, err = d.denials(get(denyName)); err != nil {
		return d.blame(denyName, err)
	}
	if s.unmet, err = d.texts(get("unmet"), "unmet"); err != nil {
		return err
	}
	for i := range s.unmet {
		s.unmet[i] = d.rules.rule(requireName) + "." + s.unmet[i]
	}
	if s.scopes, err = d.scopes(get(scopesName)); err != nil {
		return d.blame(scopesName, err)
	}
	if s.warn, err = d.warnings(get(warnName)); err != nil {
		return d.blame(warnName, err)
	}
	if s.headers, err = d.headerValues(get(headersName)); err != nil {
		return d.blame(headersName, err)
	}
	return nil
}

// blame adds to an error the rule that it is about.
func (d *decoder) blame(output string, err error) error {
	return &fault{error: err, rule: d.rules.rule(output), element: d.element}
}

// denials reads authz.deny: elements of exactly code and message, sorted.
func (d *decoder) denials(t *ast.Term) ([]Message, error) {
	rule := d.rules.rule(denyName)
	elements, err := d.elements(t, rule)
	if err != nil {
		return nil, err
	}
	var denials []Message
	for _, element := range elements {
		d.element = element.Value
		o, ok := element.Value.(ast.Object)
		if !ok || !exactly(o, []string{"code", "message"}) {
			return nil, shape("an element of %s is not exactly code and message", rule)
		}
		code, err := d.text(o.Get(ast.InternedTerm("code")), "a code in "+rule)
		if err != nil {
			return nil, err
		}
		if !codeForm.MatchString(code) {
			return nil, shape("a code in %s is not of the form %s", rule, codeForm)
		}
		message, err := d.text(o.Get(ast.InternedTerm("message")), "a message in "+rule)
		if err != nil {
			return nil, err
		}
		denials = append(denials, Message{rule, code, message, d.rules.label(code)})
	}
	return sortNotes(denials), nil
}

// warnings reads authz.warn: any objects, sorted by the members that are used.
func (d *decoder) warnings(t *ast.Term) ([]Message, error) {
	rule := d.rules.rule(warnName)
	elements, err := d.elements(t, rule)
	if err != nil {
		return nil, err
	}
	var notes []Message
	for _, element := range elements {
		d.element = element.Value
		o, ok := element.Value.(ast.Object)
		if !ok {
			return nil, shape("an element of %s is no object", rule)
		}
		note := Message{Rule: rule}
		for name, into := range map[string]*string{"code": &note.Code, "message": &note.Message} {
			member := o.Get(ast.InternedTerm(name))
			if member == nil {
				continue
			}
			if _, ok := member.Value.(ast.String); !ok {
				continue
			}
			if *into, err = d.text(member, rule); err != nil {
				return nil, err
			}
		}
		note.Label = d.rules.label(note.Code)
		notes = append(notes, note)
	}
	return sortNotes(notes), nil
}

func (d *decoder) scopes(t *ast.Term) ([]string, error) {
	rule := d.rules.rule(scopesName)
	scopes, err := d.texts(t, rule)
	if err != nil {
		return nil, err
	}
	if i := slices.IndexFunc(scopes, func(s string) bool { return !isScopeToken(s) }); i >= 0 {
		d.element = ast.String(scopes[i])
		return nil, shape("an element of %s is no scope-token (RFC 6749, section 3.3)", rule)
	}
	return scopes, nil
}

func (d *decoder) headerValues(t *ast.Term) (map[string]string, error) {
	rule := d.rules.rule(headersName)
	o, ok := t.Value.(ast.Object)
	if !ok {
		return nil, shape("%s is no object", rule)
	}
	if d.elementsLeft -= o.Len(); d.elementsLeft < 0 {
		return nil, errTooLarge
	}
	if o.Len() == 0 {
		return nil, nil
	}
	values := make(map[string]string, o.Len())
	err := o.Iter(func(k, v *ast.Term) error {
		d.element = k.Value
		name, err := d.text(k, "a name in "+rule)
		if err != nil {
			return err
		}
		if !slices.Contains(d.rules.headers, name) {
			return shape("%s has a name that no rule declares", rule)
		}
		value, err := d.text(v, "a value in "+rule)
		if err != nil {
			return err
		}
		if strings.ContainsFunc(value, func(r rune) bool { return r < 0x20 || r > 0x7E }) {
			return shape("%s[%q] has a character that is not printable ASCII", rule, name)
		}
		values[name] = value
		return nil
	})
	return values, err
}

// elements are those of a set or an array, in the order of OPA.
func (d *decoder) elements(t *ast.Term, what string) ([]*ast.Term, error) {
	var elements []*ast.Term
	switch v := t.Value.(type) {
	case ast.Set:
		elements = v.Slice()
	case *ast.Array:
		v.Foreach(func(e *ast.Term) { elements = append(elements, e) })
	default:
		return nil, shape("%s is no set", what)
	}
	if d.elementsLeft -= len(elements); d.elementsLeft < 0 {
		return nil, errTooLarge
	}
	return elements, nil
}

func (d *decoder) texts(t *ast.Term, what string) ([]string, error) {
	elements, err := d.elements(t, what)
	if err != nil {
		return nil, err
	}
	var all []string
	for _, element := range elements {
		d.element = element.Value
		s, err := d.text(element, "an element of "+what)
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, nil
}

func (d *decoder) text(t *ast.Term, what string) (string, error) {
	if t == nil {
		return "", shape("%s is missing", what)
	}
	s, ok := t.Value.(ast.String)
	if !ok {
		return "", shape("%s is no string", what)
	}
	if d.textLeft -= len(s); d.textLeft < 0 {
		return "", errTooLarge
	}
	return strings.Clone(string(s)), nil // it may be a part of the input, which is not kept
}

// exactly is true if the object has these members and no other.
func exactly(o ast.Object, members []string) bool {
	return o.Len() == len(members) && !slices.ContainsFunc(members, func(name string) bool {
		return o.Get(ast.InternedTerm(name)) == nil
	})
}

func sortNotes(notes []Message) []Message {
	slices.SortFunc(notes, func(a, b Message) int {
		return cmp.Or(
			strings.Compare(a.Code, b.Code), strings.Compare(a.Message, b.Message), strings.Compare(a.Rule, b.Rule),
		)
	})
	return notes
}

// isScopeToken is RFC 6749, section 3.3: 1*( %x21 / %x23-5B / %x5D-7E ).
func isScopeToken(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return r < 0x21 || r > 0x7E || r == '"' || r == '\\'
	})
}
