package resource

import (
	"slices"
	"strings"
)

// MatchesSubject reports whether sub is one of Subjects.
func (s *Spec) MatchesSubject(sub string) bool {
	return slices.ContainsFunc(s.Subjects, func(accepted string) bool { return matchesSegments(accepted, sub) })
}

// MatchesClaim reports whether the value of a claim is one that Claims accepts.
func (s *Spec) MatchesClaim(name, value string) bool {
	return slices.ContainsFunc(s.Claims[name], func(accepted string) bool { return matchesSegments(accepted, value) })
}

func isSeparator(r rune) bool { return r == ':' || r == '/' }

// matchesSegments compares byte for byte, where * matches one whole segment
// between ":" and "/" that is not empty.
func matchesSegments(accepted, value string) bool {
	for {
		star := strings.IndexByte(accepted, '*')
		if star < 0 {
			return accepted == value
		}
		rest, ok := strings.CutPrefix(value, accepted[:star])
		if !ok {
			return false
		}
		end := strings.IndexFunc(rest, isSeparator)
		if end < 0 {
			end = len(rest)
		}
		if end == 0 {
			return false
		}
		accepted, value = accepted[star+1:], rest[end:]
	}
}
