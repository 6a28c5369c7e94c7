package token

import (
	"math"
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/doorward/doorward/internal/strictjson"
)

// Dates lie in the years 0 to 9999, those that RFC 3339 can write: bounds in
// seconds of the Unix epoch, the last one exclusive.
const (
	yearZero        = -62167219200
	yearTenThousand = 253402300800
)

// claimReader reads claims by name and remembers the first flaw. A claim that is
// null is present, and of the wrong type. It keeps nothing that grows with a
// claim but the text of one that is read as a string.
type claimReader struct {
	members strictjson.Members
	flaw    flaw
}

// fail takes only names and rules that are written in this package.
func (r *claimReader) fail(name, rule string) {
	if r.flaw == "" {
		r.flaw = flaw(name + ": " + rule)
	}
}

func (r *claimReader) require(names ...string) {
	for _, name := range names {
		if !r.members.Get(name).Present() {
			r.fail(name, "absent")
		}
	}
}

// check accepts an absent claim and one of this kind.
func (r *claimReader) check(name string, kind jsontext.Kind, rule string) {
	if claim := r.members.Get(name); claim.Present() && !claim.Is(kind) {
		r.fail(name, rule)
	}
}

// string is a string claim, "" where it is absent.
func (r *claimReader) string(name string) string {
	r.check(name, '"', "not a string")
	text, _ := r.members.Get(name).Text()
	return text
}

// checkStrings accepts an absent claim, a string and an array of strings. It
// returns how many strings there are.
func (r *claimReader) checkStrings(name string) int {
	claim := r.members.Get(name)
	if claim.Is('"') {
		return 1
	}
	count := 0
	if ok := claim.EachString(func(string) { count++ }); claim.Present() && !ok {
		r.fail(name, "not a string or an array of strings")
	}
	return count
}

// date is a NumericDate (RFC 7519, section 2), the zero time where it is
// absent. A fraction of a second is kept to about a microsecond.
func (r *claimReader) date(name string) time.Time {
	claim := r.members.Get(name)
	if !claim.Present() {
		return time.Time{}
	}
	if !claim.Is('0') {
		r.fail(name, "not a number")
		return time.Time{}
	}
	date, ok := parseDate(string(claim))
	if !ok {
		r.fail(name, "not a date of the years 0 to 9999")
	}
	return date
}

// parseDate is a NumericDate of the years 0 to 9999; otherwise the zero time, and
// false.
func parseDate(number string) (time.Time, bool) {
	seconds, err := strconv.ParseFloat(number, 64)
	if err != nil || seconds < yearZero || seconds >= yearTenThousand {
		return time.Time{}, false
	}
	whole, fraction := math.Modf(seconds)
	return time.Unix(int64(whole), int64(fraction*float64(time.Second))), true
}
