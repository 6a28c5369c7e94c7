package policy

// Outcome is what a decision comes to. The zero value is [Failed], which is
// answered as policy_error: a decision nobody made is a refusal.
type Outcome uint8

// The outcomes, in the order in which they win.
const (
	Failed            Outcome = iota // undefined, conflict, error, timeout or wrong shape
	AudienceMismatch                 // aud does not name this resource
	Passthrough                      // the credential would stay on the request
	Denied                           // a rule of the team said no
	InsufficientScope                // the token lacks one of Decision.Scopes
	Allowed                          // the only outcome that lets a request through
)

// Decision is the answer of the policy for one request. It may have come from
// memory, where other requests find it too: nobody may change what is in it.
type Decision struct {
	Outcome Outcome

	// Strip is what must be removed from the request. It is filled in for
	// Allowed alone, and then always names the authorization header.
	Strip Strip

	// Scopes are all scopes this request needs: the resource's in the order of
	// the configuration, then the team's in sorted order, each once. For
	// AudienceMismatch and Passthrough, which are decided before the team's
	// rules are read, the resource's alone; nil for Failed.
	Scopes []string

	// Code, Message and Rule say why the outcome is Denied. Where several rules
	// deny, `deny` wins over `require`, because it carries words somebody wrote
	// for this case; among `deny` elements the first by code, then message;
	// among requirements those of authz, then the first by name. For `deny` Rule is "authz.deny";
	// for a requirement it is "authz.require.NAME", Code and Message are "". For
	// a package of the resource's own its name stands in place of "authz".
	Code, Message, Rule string

	// Headers are request headers to set, by lower-case name. For Allowed alone.
	Headers map[string]string

	// Warnings are the elements of `warn`, sorted, for log and metrics. They
	// come with Denied, InsufficientScope and Allowed.
	Warnings []Note
}

// Size is about what the texts of a decision take, in bytes.
func (d *Decision) Size() int {
	const text = 16
	n := 0
	add := func(texts ...string) {
		for _, s := range texts {
			n += text + len(s)
		}
	}
	add(d.Strip.Headers...)
	add(d.Strip.Query...)
	add(d.Scopes...)
	add(d.Code, d.Message, d.Rule)
	for name, value := range d.Headers {
		add(name, value)
	}
	for _, note := range d.Warnings {
		add(note.Code, note.Message)
	}
	return n
}

// Strip names what an allowed request loses on its way: header names in lower
// case, and query parameter names after percent-decoding.
type Strip struct {
	Headers, Query []string
}

// Note is one element of `warn`. A member that is missing, or no string, is "".
type Note struct {
	Code, Message string
}
