package decisionlog

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"strings"
	"time"

	"github.com/doorward/doorward/internal/redact"
)

// Event is one decision. It has no room for a token, a header or a query; a
// string that is "" is left out of what is written.
type Event struct {
	Time    time.Time     // when the request arrived
	Took    time.Duration // until the answer was made
	Allowed bool

	Reason   string   // why: a word of a closed list
	Status   int      // HTTP status of the answer
	Rule     string   // the rule that decided
	Code     string   // what that rule calls its reason
	Rules    []string // all that denied, the one that decided first
	Scopes   []string // that the request needs
	Warnings []string // codes of the rules that only warn

	RequestID     string // joins the event to other logs of the same request
	Method        string
	Host          string
	Path          string // without the query
	HasQuery      bool   // there was one, which is left out
	SourceAddress string // IP address of the peer

	Resource string // its name

	// Of a request that a server makes: "egress", where it goes by the configuration, and
	// whether it passed though Reason refuses it. Empty for a request that comes in.
	Direction, Destination string
	Observed               bool

	// The operation of MCP that the request asks for. OperationSource is "" where it was
	// not read: then the event has nothing of it.
	OperationMethod, OperationName, OperationVersion string
	OperationSource                                  string
	OperationTrusted                                 bool

	TokenDigest [sha256.Size]byte // SHA-256 of the whole token; zero without a token
	Issuer      string            // that is configured, whether or not the token was good
	Client      string            // of a verified token, as all below
	BoundBy     string            // how it showed that it is for the resource: "aud", "client" or "dedicated"
	KeyID       string            // of the key that verified it
	Claims      map[string]any    // all claims: the log takes from them what is on its list
}

// entry is an Event in the queue. All it holds is its own, but for the values
// of claims, which are shared and never change.
type entry struct {
	Event
	id     [16]byte // the decision id
	number uint64   // in the order of Put, counted from 1: what is missing was dropped
	masked masks    // what is there in part
	claims []claim
	few    [3]string // room for the elements of Scopes, Warnings and Rules, which are few
	fewer  [2]claim  // and for sub and jti
	weight int       // bytes that it takes, about
	next   *entry    // in its lane
}

type claim struct {
	name  string
	value any
}

const (
	entryBytes = 704 // at least what an entry takes, without the bytes of its strings
	longest    = 512 // bytes of one string that are kept; a request may send 60 KiB in its path
	more       = "..."
)

// keep makes an entry of e: a copy of all that is to be logged, and of nothing
// else.
func (l *Log) keep(e *Event) *entry {
	kept := &entry{Event: *e}
	kept.Claims = nil
	kept.redact(e)
	kept.weight = entryBytes + kept.own()
	kept.claims = kept.fewer[:0]
	for _, name := range l.claims {
		if value, has := e.Claims[name]; has {
			value = redact.Value(value)
			kept.claims = append(kept.claims, claim{name, value})
			kept.weight += weigh(value)
		}
	}
	binary.LittleEndian.PutUint64(kept.id[:8], l.random())
	binary.LittleEndian.PutUint64(kept.id[8:], l.random())
	return kept
}

// masks names what is in an event in part, see [form]. Of claims those on the
// list are kept.
type masks struct{ claims, host, method, path, operationMethod, operationName bool }

// redact takes credentials out of what e holds, wherever a client, a token or a
// rule that repeats them may have put one.
func (e *entry) redact(before *Event) {
	e.Method, e.Host, e.Path = redact.Text(e.Method), redact.Host(e.Host), redact.Path(e.Path)
	e.Code, e.RequestID = redact.Text(e.Code), redact.ID(e.RequestID)
	e.OperationMethod, e.OperationName = redact.Text(e.OperationMethod), redact.Text(e.OperationName)
	e.OperationVersion = redact.Text(e.OperationVersion)
	e.Client, e.KeyID = redact.ID(e.Client), redact.ID(e.KeyID)
	e.masked = masks{
		claims: len(before.Claims) > 0, host: e.Host != before.Host,
		method: e.Method != before.Method, path: e.Path != before.Path,
		operationMethod: e.OperationMethod != before.OperationMethod,
		operationName:   e.OperationName != before.OperationName,
	}
}

// own copies the strings of e into one piece of memory, and returns the number of
// their bytes. This is the only place where a string leaves the memory of
// its request, which is used again once the Check is over.
func (e *entry) own() int {
	lists := e.few[:0]
	for _, scope := range e.Scopes {
		lists = append(lists, redact.ID(scope))
	}
	for _, words := range [...][]string{e.Warnings, e.Rules} { // with codes that a rule may take from the request
		for _, word := range words {
			lists = append(lists, redact.Text(word))
		}
	}
	single := [...]*string{
		&e.Reason, &e.Rule, &e.Code, &e.RequestID, &e.Method, &e.Host, &e.Path, &e.SourceAddress,
		&e.Resource, &e.Direction, &e.Destination, &e.Issuer, &e.Client, &e.BoundBy, &e.KeyID,
		&e.OperationMethod, &e.OperationName, &e.OperationVersion, &e.OperationSource,
	}
	total := 0
	for _, s := range single {
		total += min(len(*s), longest+len(more))
	}
	for _, s := range lists {
		total += min(len(s), longest+len(more))
	}
	var memory strings.Builder
	memory.Grow(total)
	for _, s := range single {
		*s = copied(&memory, *s)
	}
	for i, s := range lists {
		lists[i] = copied(&memory, s)
	}
	scopes, warnings := len(e.Scopes), len(e.Scopes)+len(e.Warnings)
	e.Scopes, e.Warnings, e.Rules = lists[:scopes:scopes], lists[scopes:warnings:warnings], lists[warnings:]
	const header = 16 // of a string in a list
	return total + header*len(lists)
}

// copied appends s, cut to what is kept of it, to memory and returns the string
// that lies there.
func copied(memory *strings.Builder, s string) string {
	begin := memory.Len()
	if len(s) > longest {
		memory.WriteString(s[:longest])
		s = more
	}
	memory.WriteString(s)
	return memory.String()[begin:]
}

// weigh is about what the decoded value of a claim takes, in bytes.
func weigh(value any) int {
	const word, member = 32, 64
	total := word
	switch v := value.(type) {
	case string:
		total += len(v)
	case json.Number:
		total += len(v)
	case []any:
		for _, element := range v {
			total += weigh(element)
		}
	case map[string]any:
		for name, value := range v {
			total += member + len(name) + weigh(value)
		}
	}
	return total
}
