// Package readers models how servers behind Envoy read names of headers and of
// query parameters. The models are written from what those servers do, not from
// what doorward removes, so that tests can hold one against the other; `make
// interop` holds the models of lighttpd and PHP against the programs themselves.
package readers

import (
	"regexp"
	"strings"
)

// Lighttpd is the variable in which lighttpd hands a header to CGI and FastCGI:
// every byte that is no letter or digit is '_' (1.4.69).
func Lighttpd(header string) string {
	return "HTTP_" + strings.Map(func(c rune) rune {
		switch {
		case c >= 'a' && c <= 'z':
			return c - 'a' + 'A'
		case c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
			return c
		}
		return '_'
	}, latin1(header))
}

// CGI is the variable of RFC 3875, section 4.1.18: '-' alone is '_'.
func CGI(header string) string {
	return "HTTP_" + strings.ReplaceAll(strings.ToUpper(latin1(header)), "-", "_")
}

// FastCGIToPHP is the key in $_SERVER of a variable that came by FastCGI, which
// PHP reads as it reads a parameter.
func FastCGIToPHP(variable string) string {
	name, _ := phpVariable(variable)
	return name
}

// PHP is the key in $_GET of a parameter as it is spelled in a URL, false where
// it makes none (PHP 8.2, php_register_variable_ex).
func PHP(spelling string) (string, bool) { return phpVariable(Unescape(spelling)) }

func phpVariable(name string) (string, bool) {
	name, _, _ = strings.Cut(name, "\x00")
	name = strings.TrimLeft(name, " ")
	head, index, isArray := strings.Cut(name, "[")
	head = strings.NewReplacer(" ", "_", ".", "_").Replace(head)
	switch {
	case head == "":
		return "", false
	case !isArray || strings.Contains(index, "]"):
		return head, true
	}
	return head + "_" + strings.NewReplacer(" ", "_", ".", "_", "[", "_").Replace(index), true
}

var rack2 = regexp.MustCompile(`(?s)^[\[\]]*([^\[\]]+)\]*`)

// Rack2 is the top-level key that Rack 2, and Rails on it, finds.
func Rack2(spelling string) (string, bool) {
	found := rack2.FindStringSubmatch(Unescape(spelling))
	if found == nil {
		return "", false
	}
	return found[1], true
}

var qsBrackets = regexp.MustCompile(`(?s)\[([^\[\]]*)\]`)

// QS is the top-level key that qs (Express) finds.
func QS(spelling string) (string, bool) {
	name := Unescape(spelling)
	at := qsBrackets.FindStringSubmatchIndex(name)
	switch {
	case at == nil:
		return name, name != ""
	case at[0] > 0:
		return name[:at[0]], true
	}
	return name[at[2]:at[3]], at[2] < at[3]
}

var escape = regexp.MustCompile(`%[0-9A-Fa-f]{2}`)

// Unescape percent-decodes once, with '+' for a space. What is no escape stays.
func Unescape(spelling string) string {
	return escape.ReplaceAllStringFunc(strings.ReplaceAll(spelling, "+", " "), func(found string) string {
		const digits = "0123456789abcdef"
		found = strings.ToLower(found)
		return string([]byte{byte(strings.IndexByte(digits, found[1])<<4 | strings.IndexByte(digits, found[2]))})
	})
}

// latin1 has a rune for each byte.
func latin1(s string) string {
	runes := make([]rune, len(s))
	for i := range len(s) {
		runes[i] = rune(s[i])
	}
	return string(runes)
}
