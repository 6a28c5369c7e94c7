package exchange

import (
	"encoding/base64"
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

var (
	bearer  = regexp.MustCompile(`^[A-Za-z0-9._~+/-]+=*$`) // b64token of RFC 6750, section 2.1
	threeOf = regexp.MustCompile(`^([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.[A-Za-z0-9_-]*$`)
)

// checkUsed reads an answer that was used with encoding/json.
func checkUsed(t *testing.T, got Token, body []byte, sentToken string, now time.Time) {
	t.Helper()
	var read struct {
		Access  string   `json:"access_token"`
		Type    string   `json:"token_type"`
		Issued  string   `json:"issued_token_type"`
		Expires *float64 `json:"expires_in"`
	}
	err := json.Unmarshal(body, &read)
	if err != nil && !strings.Contains(err.Error(), "expires_in") { // a number beyond float64
		t.Fatalf("%q is used: %v", body, err)
	}
	if read.Access != got.Access || !strings.EqualFold(read.Type, "bearer") || !slices.Contains([]string{typeAccessToken, typeJWT}, read.Issued) {
		t.Errorf("%q: %q is used, and %+v is there", body, got.Access, read)
	}
	if !bearer.MatchString(got.Access) || got.Access == sentToken || len(got.Access) > 16<<10 {
		t.Errorf("%q is used", got.Access)
	}
	if lives := got.Expiry.Sub(now); lives <= 0 || lives > time.Hour || read.Expires != nil && lives.Seconds() > *read.Expires+1e-6 {
		t.Errorf("%q lives for %v", body, lives)
	}
	parts := threeOf.FindStringSubmatch(got.Access)
	if parts == nil {
		return
	}
	var header, claims map[string]any
	headerText, headerErr := base64.RawURLEncoding.DecodeString(parts[1])
	text, textErr := base64.RawURLEncoding.DecodeString(parts[2])
	if headerErr != nil || textErr != nil || json.Unmarshal(headerText, &header) != nil || json.Unmarshal(text, &claims) != nil {
		return // opaque
	}
	audiences, isList := claims["aud"].([]any)
	if !isList {
		audiences = []any{claims["aud"]}
	}
	exp, _ := claims["exp"].(float64)
	if !slices.Contains(audiences, any(apiID)) || exp <= float64(now.Unix()) || got.Expiry.Sub(now).Seconds() > exp-float64(now.Unix())+1e-3 {
		t.Errorf("a JWT with %s is used until %v", text, got.Expiry)
	}
}
