package policy

import (
	"encoding/binary"
	"encoding/json"
	"maps"
	"slices"
)

// A key is what a decision can read of an input. Two inputs have one key only if
// every dependency has the same value: each value begins with its kind and, where its
// length varies, with the length. Missing, null and empty are three kinds. Numbers
// are kept as they are written, so that 1 and 1.0 have two keys, which costs an
// evaluation and is never wrong. For a claim below another claim the key has which
// of the two is missing: a rule can distinguish them. What the configuration fixes is
// there by its [Fixed] alone, so that a key costs little; no value takes its place.
const (
	keyMissing = 'm'
	keyNull    = 'n'
	keyFalse   = 'f'
	keyTrue    = 't'
	keyText    = 's'
	keyNumber  = '#'
	keyList    = '['
	keyObject  = '{'
	keyEnd     = '}'
	keyFixed   = '='
)

// appendKey adds the key of an input to b. It is false where a claim has a type
// that no key is made of: evaluation reports what is wrong with it.
func (f inputDeps) appendKey(b []byte, in *Input) ([]byte, bool) {
	isFixed := in.Fixed.State != 0
	if isFixed {
		b = binary.BigEndian.AppendUint64(append(b, keyFixed), in.Fixed.State)
		b = appendText(appendText(b, in.Fixed.Resource), in.Fixed.Issuer)
	}
	for i := range f {
		if isFixed && f[i].part.isFixed() {
			continue
		}
		var ok bool
		if b, ok = f[i].appendKey(b, in); !ok {
			return b, false
		}
	}
	return b, true
}

func (l *dependency) appendKey(b []byte, in *Input) ([]byte, bool) {
	switch l.part {
	case container, version: // the same in every input
		return b, true
	case claims:
		value, there := in.claim(l.below)
		if there < len(l.below) {
			return appendLength(b, keyMissing, there), true
		}
		return appendValue(b, value)
	case requestQuery:
		return appendParameters(b, in.request(), l)
	case requestHeaders:
		return appendHeaders(b, in.request(), l)
	case resourceLabels, resourceParameters:
		return appendMapping(b, in.mapping(l.part), l.below), true
	case resourceAudiences, resourceScopes, resourceAliases, resourceClients, tokenScopes, tokenGenericAudiences,
		resourceOperationScopes, resourceACRValues:
		return appendList(b, in.list(l.part)), true
	case resourceScopesAny:
		b = appendLength(b, keyList, len(in.Resource.ScopesAny))
		for _, alternative := range in.Resource.ScopesAny {
			b = appendList(b, alternative)
		}
		return b, true
	case resourceMaxAge:
		return appendValue(b, in.maxAge())
	case tokenMarked, tokenSubjectAccepted, tokenNoScopes, tokenDedicated, tokenSelfAsserted, tokenRecent,
		tokenTrusted, resourceAnonymous, mcpTrusted:
		return appendValue(b, in.flag(l.part))
	case destinationHost, destinationPath, destinationToken:
		if in.Destination == nil {
			return append(b, keyMissing), true
		}
		return appendText(b, in.text(l.part)), true
	default:
		return appendText(b, in.text(l.part)), true
	}
}

// appendValue adds a claim as package token decodes it.
func appendValue(b []byte, v any) ([]byte, bool) {
	switch v := v.(type) {
	case nil:
		return append(b, keyNull), true
	case bool:
		if v {
			return append(b, keyTrue), true
		}
		return append(b, keyFalse), true
	case string:
		return appendText(b, v), true
	case json.Number:
		return append(appendLength(b, keyNumber, len(v)), v...), true
	case []any:
		b = appendLength(b, keyList, len(v))
		for _, element := range v {
			var ok bool
			if b, ok = appendValue(b, element); !ok {
				return b, false
			}
		}
		return b, true
	case map[string]any:
		b = appendLength(b, keyObject, len(v))
		for _, name := range slices.Sorted(maps.Keys(v)) {
			var ok bool
			if b, ok = appendValue(appendText(b, name), v[name]); !ok {
				return b, false
			}
		}
		return b, true
	}
	return b, false
}

// appendParameters adds the values of one query parameter, or all that a policy
// may see in the order of the query; false where these are too many.
func appendParameters(b []byte, r Request, l *dependency) ([]byte, bool) {
	if len(l.below) == 1 {
		for value, at := r.Parameter(l.below[0], 0); at > 0; value, at = r.Parameter(l.below[0], at) {
			b = appendText(b, value)
		}
		return append(b, keyEnd), true
	}
	count := 0
	for name, value, at := r.AnyParameter(0); at > 0; name, value, at = r.AnyParameter(at) {
		if count++; count > maxRead {
			return b, false
		}
		if !l.part.hides(name) {
			b = appendText(appendText(b, name), value)
		}
	}
	return append(b, keyEnd), true
}

// appendHeaders adds the value of one header, or all that a policy may see;
// false where these are too many.
func appendHeaders(b []byte, r Request, l *dependency) ([]byte, bool) {
	if len(l.below) == 1 {
		value, ok := r.Header(l.below[0])
		if !ok {
			return append(b, keyMissing), true
		}
		return appendText(b, value), true
	}
	all, ok := r.AllHeaders(maxRead)
	if !ok {
		return b, false
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if !l.part.hides(name) {
			b = appendText(appendText(b, name), all[name])
		}
	}
	return append(b, keyEnd), true
}

func appendMapping(b []byte, all map[string]string, below []string) []byte {
	if len(below) == 1 {
		value, there := all[below[0]]
		if !there {
			return append(b, keyMissing)
		}
		return appendText(b, value)
	}
	b = appendLength(b, keyObject, len(all))
	for _, name := range slices.Sorted(maps.Keys(all)) {
		b = appendText(appendText(b, name), all[name])
	}
	return b
}

func appendList(b []byte, values []string) []byte {
	b = appendLength(b, keyList, len(values))
	for _, value := range values {
		b = appendText(b, value)
	}
	return b
}

func appendText(b []byte, s string) []byte { return append(appendLength(b, keyText, len(s)), s...) }

func appendLength(b []byte, kind byte, n int) []byte {
	return binary.AppendUvarint(append(b, kind), uint64(n)) //nolint:gosec // a length
}
