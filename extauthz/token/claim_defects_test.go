package token

import (
	"fmt"
	"time"

	"github.com/doorward/doorward/extauthz/reason"
)

// claimDefects: RFC 7519, section 4.1 (J-3); contract, "wrong-typed claim".
func claimDefects() []defect {
	missing := func(name string, alter alteration) defect {
		return defect{"claims: " + name, alter, reason.ClaimsMissing}
	}
	unknown := func(name, iss string) defect {
		return defect{"issuer: " + name, claim("iss", iss), reason.IssuerUnknown}
	}
	rows := []defect{
		unknown("of no configured issuer", "https://evil.example.com"),
		unknown("empty", ""),
		unknown("a slash behind", usualID+"/"),
		unknown("upper case", "https://AS.example.com"),
		unknown("a space behind", usualID+" "),
		missing("nothing at all", payload(`{}`)),
		missing("no aud", claim("aud", gone)),
		missing("aud is an empty array", claim("aud", []string{})),
		missing("an aud member is a number", claim("aud", []any{"https://mcp.example.com/mcp", 1})),
		missing("an aud member is null", claim("aud", []any{nil})),
		missing("no exp", claim("exp", gone)),
		missing("no iss", claim("iss", gone)),
		missing("cnf is a string", claim("cnf", "x")),
		missing("an scp member is a number", all(claim("scope", gone), claim("scp", []any{"mcp:read", 1}))),
		missing("a scope member is a number", claim("scope", []any{"mcp:read", 1})),
		missing("azp is wrong beside a good client_id", claim("azp", 1)),
	}
	for _, name := range []string{"iss", "sub", "aud", "jti", "client_id", "azp", "cid", "appid", "scope", "scp", "cnf", "exp", "nbf", "iat"} {
		others := func(*draft) {}
		if name == "scp" { // beside a scope, nothing reads it
			others = claim("scope", gone)
		}
		rows = append(rows,
			missing(name+" is null", all(others, claim(name, nil))),
			missing(name+" is a boolean", all(others, claim(name, true))))
	}
	return rows
}

// strictDefects: RFC 9068, section 2.2.
func strictDefects() []defect {
	var rows []defect
	for _, name := range []string{"exp", "aud", "sub", "client_id", "iat", "jti"} {
		rows = append(rows, defect{"rfc9068: no " + name, all(strict, claim(name, gone)), reason.ClaimsMissing})
	}
	return append(rows, defect{
		"rfc9068: azp does not stand in for client_id",
		all(strict, claim("client_id", gone), claim("azp", "cli")), reason.ClaimsMissing,
	})
}

// dateDefects: RFC 7519, sections 2 and 4.1.4 to 4.1.6 (J-4).
func dateDefects() []defect {
	rows := []defect{
		{"exp: just over the skew ago", claim("exp", testTime.Add(-skew).Unix()), reason.TokenExpired},
		{"exp: zero", claim("exp", 0), reason.TokenExpired},
		{"exp: negative", claim("exp", -1), reason.TokenExpired},
		{"exp: in the year 0", number("exp", "-62167219200"), reason.TokenExpired},
		{"nbf: past the skew", claim("nbf", testTime.Add(skew+time.Second).Unix()), reason.TokenNotYetValid},
		{"nbf: a fraction past the skew", number("nbf", fmt.Sprintf("%d.01", testTime.Add(skew).Unix())), reason.TokenNotYetValid},
		{"nbf: the last second there is", number("nbf", "253402300799"), reason.TokenNotYetValid},
		{"iat: past the skew", claim("iat", testTime.Add(skew+time.Second).Unix()), reason.TokenNotYetValid},
	}
	for _, text := range []string{"253402300800", "1e400", "-1e400", "1e300", "-1e300", "-62167219201", `"1800000000"`, "{}", "[1]"} {
		rows = append(rows, defect{"exp: " + text, number("exp", text), reason.ClaimsMissing})
	}
	return append(rows,
		defect{"nbf: beyond year 9999", number("nbf", "253402300800"), reason.ClaimsMissing},
		defect{"iat: not finite", number("iat", "1e400"), reason.ClaimsMissing},
	)
}
