package revocation

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var unexported = cmp.AllowUnexported(List{}, pair{})

// TestDocumentedFile: the package comment's example, member by member.
func TestDocumentedFile(t *testing.T) {
	list := mustParse(t, `{
	  "serial": 7,
	  "revoked": [
	    {"issuer": "https://as.example.com", "jti": "5f1c"},
	    {"issuer": "https://as.example.com", "sub": "mallory"},
	    {"issuer": "https://as.example.com", "client_id": "lost-laptop"},
	    {"issuer": "https://as.example.com", "kid": "2026-01"}
	  ],
	  "issued_before": [
	    {"issuer": "https://as.example.com", "time": "2026-11-23T12:00:00Z"},
	    {"issuer": "https://as.example.com", "sub": "alice", "time": 1700000000}
	  ]
	}`)
	want := &List{
		serial:              7,
		ids:                 set{{as, "5f1c"}: {}},
		subjects:            set{{as, "mallory"}: {}},
		clients:             set{{as, "lost-laptop"}: {}},
		keys:                set{{as, "2026-01"}: {}},
		issuedBefore:        map[string]time.Time{as: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)},
		subjectIssuedBefore: map[pair]time.Time{{as, "alice"}: time.Unix(1700000000, 0).UTC()},
	}
	if diff := cmp.Diff(want, list, unexported); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if list.Serial() != 7 || list.Entries() != 6 {
		t.Errorf("serial %d, %d entries", list.Serial(), list.Entries())
	}
}

func TestParseAccepts(t *testing.T) {
	rows := []struct {
		intent, doc string
		serial      int64
		entries     int
	}{
		{"nothing is revoked", `{"serial":1,"revoked":[]}`, 1, 0},
		{"one list is enough, the other one too", `{"serial":1,"issued_before":[]}`, 1, 0},
		{"both", `{"serial":1,"revoked":[],"issued_before":[]}`, 1, 0},
		{"members in any order", `{"issued_before":[{"time":1,"sub":"a","issuer":"i"}],"revoked":[{"kid":"k","issuer":"i"}],"serial":3}`, 3, 2},
		{"white space around", "\n\t {\r\n\"serial\" : 1 , \"revoked\" : [ ] }\n\n", 1, 0},
		{"the time of writing in nanoseconds as a serial", `{"serial":1795404484123456789,"revoked":[]}`, 1795404484123456789, 0},
		{"the highest serial", `{"serial":9223372036854775807,"revoked":[]}`, 9223372036854775807, 0},
		{"an entry twice is one", `{"serial":1,"revoked":[{"issuer":"i","jti":"a"},{"issuer":"i","jti":"a"}]}`, 1, 1},
		{"the same value of two issuers is two", `{"serial":1,"revoked":[{"issuer":"i","jti":"a"},{"issuer":"j","jti":"a"}]}`, 1, 2},
		{"a date as date --iso-8601 writes it", `{"serial":1,"issued_before":[{"issuer":"i","time":"2026-11-23T12:00:00+00:00"}]}`, 1, 1},
		{"a date as Python writes it", `{"serial":1,"issued_before":[{"issuer":"i","time":"2026-11-23T12:00:00.123456+00:00"}]}`, 1, 1},
		{"the last second of RFC 3339", `{"serial":1,"issued_before":[{"issuer":"i","time":253402300799}]}`, 1, 1},
		{"16 MiB to the byte", `{"serial":1,"revoked":[]}` + strings.Repeat(" ", maxDocument-25), 1, 0},
	}
	for _, row := range rows {
		t.Run(row.intent, func(t *testing.T) {
			list := mustParse(t, row.doc)
			if list.Serial() != row.serial || list.Entries() != row.entries {
				t.Errorf("serial %d, %d entries", list.Serial(), list.Entries())
			}
		})
	}
}

// TestParseRefuses: the place to the column, and what to write.
func TestParseRefuses(t *testing.T) {
	const syntax = "not valid JSON: look for a comma, quote or bracket too few or too many"
	const truncated = "the file ends in the middle: write it whole beside the old one, then rename it"
	const serial = "is not a whole number from 1 to 9223372036854775807: write plain digits, without quotes, fraction or exponent"
	const issuer = "is missing: write the exact iss of the tokens"
	const one = "has more than one of jti, sub, client_id and kid: write one entry for each, every entry revokes by itself"
	const seconds = "is not a whole number of seconds: " + writeTime
	const date = "is no date with time and zone: " + writeTime
	const years = "is outside the years 1970 to 9999, as milliseconds would be: " + writeTime
	rows := []struct{ intent, doc, want string }{
		{"empty", "", `1:1: the file: is empty: write {"serial": 1, "revoked": []} to revoke nothing`},
		{"white space alone", " \n", `1:1: the file: is empty: write {"serial": 1, "revoked": []} to revoke nothing`},
		{"a byte order mark", "\ufeff" + `{"serial":1,"revoked":[]}`, "1:1: the file: begins with a byte order mark: save it as UTF-8 without one"},
		{"a byte over 16 MiB", `{"serial":1,"revoked":[]}` + strings.Repeat(" ", maxDocument-24), "1:1: the file: is larger than 16 MiB: leave out what names expired tokens alone"},
		{"no object", `[]`, "1:1: the file: is not an object: write it in braces"},
		{"null", `null`, "1:1: the file: is not an object: write it in braces"},
		{"YAML", "serial: 1\n", "1:1: the file: " + syntax},
		{"a comment", "{\n  // list\n}", "2:3: the file: " + syntax},
		{"a comma too many", "{\"serial\":1,\n \"revoked\":[],\n}", "2:14: the file: " + syntax},
		{"a comma too few", "{\"serial\":1\n \"revoked\":[]}", "2:2: the file: " + syntax},
		{"zeros in front", `{"serial":01,"revoked":[]}`, "1:11: serial: " + serial},
		{"half a surrogate pair", revoked(`{"issuer":"i","jti":"\ud800"}`), "1:45: revoked[0].jti: " + syntax},
		{"a line break in a string", "{\"serial\":1,\"revoked\":[{\"issuer\":\"i\",\"jti\":\"a\nb\"}]}", "1:46: revoked[0].jti: " + syntax},
		{"invalid UTF-8", revoked("{\"issuer\":\"\u00e9\",\"jti\":\"\xff\"}"), "1:45: revoked[0].jti: not valid UTF-8: save the file as UTF-8"},
		{"U+FFFD is valid UTF-8, in the wrong place", "{\"serial\":1,\ufffd}", "1:13: the file: " + syntax},
		{"truncated after an entry", `{"serial":1,"revoked":[{"issuer":"i","jti":"a"}`, "1:48: revoked[1]: " + truncated},
		{"truncated in a value", `{"serial":1,"revoked":[{"issuer":"i","jti":"a`, "1:46: revoked[0].jti: " + truncated},
		{"truncated before the last brace", "{\"serial\":1,\"revoked\":[]\n", "2:1: the file: " + truncated},
		{"a second document", `{"serial":1,"revoked":[]} {}`, "1:27: the file: goes on after the list: write one JSON object and nothing else"},
		{"the rest of a longer file", `{"serial":1,"revoked":[]}]}`, "1:26: the file: goes on after the list: write one JSON object and nothing else"},
		{"a comma after it", `{"serial":1,"revoked":[]},`, "1:27: the file: goes on after the list: write one JSON object and nothing else"},

		{"no serial", `{"revoked":[]}`, `1:1: serial: is missing: write "serial": 1, and a higher one with every change`},
		{"no list", `{"serial":1}`, `1:1: revoked: is missing, and so is issued_before: write "revoked": [] to revoke nothing`},
		{"an empty object", `{}`, `1:1: serial: is missing: write "serial": 1, and a higher one with every change`},
		{"an unknown member", `{"serial":1,"revoked":[],"revokes":[]}`, "1:26: the file: has an unknown member: there are serial, revoked and issued_before"},
		{"a name in other letters", `{"Serial":1,"revoked":[]}`, "1:2: the file: has an unknown member: there are serial, revoked and issued_before"},
		{"serial twice", `{"serial":1,"serial":1,"revoked":[]}`, "1:13: the file: has a member twice: keep one"},
		{"a list twice, once with escapes", `{"serial":1,"revoked":[],"revok\u0065d":[]}`, "1:26: the file: has a member twice: keep one"},
		{"serial 0", `{"serial":0,"revoked":[]}`, "1:11: serial: " + serial},
		{"serial below 0", `{"serial":-1,"revoked":[]}`, "1:11: serial: " + serial},
		{"serial too high", `{"serial":9223372036854775808,"revoked":[]}`, "1:11: serial: " + serial},
		{"serial with a fraction", `{"serial":1.0,"revoked":[]}`, "1:11: serial: " + serial},
		{"serial with an exponent", `{"serial":1e3,"revoked":[]}`, "1:11: serial: " + serial},
		{"serial in quotes", `{"serial":"1","revoked":[]}`, "1:11: serial: " + serial},
		{"serial null", `{"serial":null,"revoked":[]}`, "1:11: serial: " + serial},
		{"revoked null", `{"serial":1,"revoked":null}`, "1:23: revoked: is not an array: write it in brackets, [] for none"},
		{"revoked an object", `{"serial":1,"revoked":{}}`, "1:23: revoked: is not an array: write it in brackets, [] for none"},
		{"issued_before null", `{"serial":1,"issued_before":null}`, "1:29: issued_before: is not an array: write it in brackets, [] for none"},

		{"an entry that is a string", revoked(`"a"`), "1:24: revoked[0]: is not an object: write it in braces"},
		{"an entry without issuer", revoked("{\"issuer\":\"i\",\"jti\":\"a\"},\n  {\"jti\":\"b\"}"), "2:3: revoked[1].issuer: " + issuer},
		{"an entry that names nothing", revoked(`{"issuer":"i"}`), "1:24: revoked[0]: names no token: add one of jti, sub, client_id and kid; for all tokens of an issuer use issued_before"},
		{"jti and sub", revoked(`{"issuer":"i","jti":"a","sub":"b"}`), "1:24: revoked[0]: " + one},
		{"client_id and kid", revoked(`{"issuer":"i","client_id":"a","kid":"b"}`), "1:24: revoked[0]: " + one},
		{"an unknown member of an entry", revoked(`{"issuer":"i","jti":"a","why":"lost"}`), "1:48: revoked[0]: has an unknown member: there are issuer, jti, sub, client_id and kid"},
		{"time in revoked", revoked(`{"issuer":"i","time":1}`), "1:38: revoked[0]: has an unknown member: there are issuer, jti, sub, client_id and kid"},
		{"a member of an entry twice", revoked(`{"issuer":"i","jti":"a","jti":"b"}`), "1:48: revoked[0]: has a member twice: keep one"},
		{"an empty issuer", revoked(`{"issuer":"","jti":"a"}`), "1:34: revoked[0].issuer: is empty: write the exact value, or leave the entry out"},
		{"an empty jti would be every token without one", revoked(`{"issuer":"i","jti":""}`), "1:44: revoked[0].jti: is empty: write the exact value, or leave the entry out"},
		{"an empty kid", revoked(`{"issuer":"i","kid":""}`), "1:44: revoked[0].kid: is empty: write the exact value, or leave the entry out"},
		{"a sub that is a number", revoked(`{"issuer":"i","sub":7}`), "1:44: revoked[0].sub: is not a string: write it in double quotes"},
		{"a client_id that is null", revoked(`{"issuer":"i","client_id":null}`), "1:50: revoked[0].client_id: is not a string: write it in double quotes"},
		{"a jti that is an array", revoked(`{"issuer":"i","jti":["a"]}`), "1:44: revoked[0].jti: is not a string: write it in double quotes"},

		{"a time without issuer", voided(`{"time":1}`), "1:30: issued_before[0].issuer: " + issuer},
		{"no time", voided(`{"issuer":"i","sub":"a"}`), "1:30: issued_before[0].time: is missing: " + writeTime},
		{"jti in issued_before", voided(`{"issuer":"i","time":1,"jti":"a"}`), "1:53: issued_before[0]: has an unknown member: there are issuer, time and sub"},
		{"an empty sub would be the whole issuer", voided(`{"issuer":"i","time":1,"sub":""}`), "1:59: issued_before[0].sub: is empty: write the exact value, or leave the entry out"},
		{"a time before 1970", voided(`{"issuer":"i","time":-1}`), "1:51: issued_before[0].time: " + years},
		{"a time with a fraction", voided(`{"issuer":"i","time":1.5}`), "1:51: issued_before[0].time: " + seconds},
		{"milliseconds", voided(`{"issuer":"i","time":1700000000000}`), "1:51: issued_before[0].time: " + years},
		{"the first second of the year 10000", voided(`{"issuer":"i","time":253402300800}`), "1:51: issued_before[0].time: " + years},
		{"a number that no machine holds", voided(`{"issuer":"i","time":99999999999999999999}`), "1:51: issued_before[0].time: " + seconds},
		{"seconds in quotes", voided(`{"issuer":"i","time":"1700000000"}`), "1:51: issued_before[0].time: " + date},
		{"a date without zone", voided(`{"issuer":"i","time":"2026-11-23T12:00:00"}`), "1:51: issued_before[0].time: " + date},
		{"a day", voided(`{"issuer":"i","time":"2026-11-23"}`), "1:51: issued_before[0].time: " + date},
		{"a date that its zone puts into the year 10000", voided(`{"issuer":"i","time":"9999-12-31T23:59:59-01:00"}`), "1:51: issued_before[0].time: " + years},
		{"a day that no month has", voided(`{"issuer":"i","time":"2026-02-30T12:00:00Z"}`), "1:51: issued_before[0].time: " + date},
		{"a date before 1970", voided(`{"issuer":"i","time":"1969-12-31T23:59:59Z"}`), "1:51: issued_before[0].time: " + years},
		{"the zero time", voided(`{"issuer":"i","time":"0001-01-01T00:00:00Z"}`), "1:51: issued_before[0].time: " + years},
		{"a time that is null", voided(`{"issuer":"i","time":null}`), "1:51: issued_before[0].time: is no time: " + writeTime},
		{"a time that is true", voided(`{"issuer":"i","time":true}`), "1:51: issued_before[0].time: is no time: " + writeTime},
	}
	for _, row := range rows {
		t.Run(row.intent, func(t *testing.T) {
			list, err := Parse([]byte(row.doc))
			if err == nil || list != nil {
				t.Fatalf("list %v, error %v", list, err)
			}
			if diff := cmp.Diff(row.want, err.Error()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	if len(rows) != 70 {
		t.Errorf("%d rows", len(rows))
	}
}

// TestEveryPrefixIsRefused: however a write is cut short, no shorter list is read.
func TestEveryPrefixIsRefused(t *testing.T) {
	doc := long(2)
	mustParse(t, doc)
	for n := range doc {
		if _, err := Parse([]byte(doc[:n])); err == nil {
			t.Fatalf("read as a list: %s", doc[:n])
		}
	}
}
