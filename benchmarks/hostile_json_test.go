package benchmarks_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"testing"
	"time"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"

	"github.com/doorward/doorward/benchmarks/traffic"
	"github.com/doorward/doorward/extauthz/token"
	"github.com/doorward/doorward/internal/testenv"
	"github.com/doorward/doorward/internal/testenv/jwttest"
)

// The longest JSON of a token (limits.token_bytes) and of a DPoP proof, less
// what each of them must have.
const (
	tokenJSON = 11 << 10
	proofJSON = 5 << 10
)

// jsonShapes are members of about so many bytes that cost as much as a client
// can make them cost. All are JSON that a strict reader accepts.
func jsonShapes(size int) map[string]string {
	deep := func(begin, middle, end string, levels int) string {
		return strings.Repeat(begin, levels) + middle + strings.Repeat(end, levels)
	}
	repeated := func(value string) string {
		return `"X":[` + strings.Repeat(value+",", size/(len(value)+1)) + "0]"
	}
	return map[string]string{
		"short members":            members(size, "%s"),
		"members of escaped names": members(size, `\u007a%s`),
		"members with a last name": members(size-len(longName)-5, "%s") + `,"` + longName + `":0`,
		"objects of many members":  repeated("{" + members(70*6, "%s") + "}"),
		"objects of a few members": repeated("{" + members(20*6, "%s") + "}"),
		"short objects":            repeated(`{"":0}`),
		"empty objects":            repeated("{}"),
		"empty arrays":             repeated("[]"),
		"numbers":                  repeated("0"),
		"nulls":                    repeated("null"),
		"short strings":            repeated(`""`),
		"strings of two bytes":     repeated(`"ab"`),
		"arrays in arrays":         repeated(deep("[", "", "]", 60)),
		"objects in objects":       repeated(deep(`{"":`, "0", "}", 60)),
		"one string":               `"X":"` + strings.Repeat("a", size) + `"`,
		"one string of escapes":    `"X":"` + strings.Repeat(`\n`, size/2) + `"`,
		"one string of code units": `"X":"` + strings.Repeat(`\u0000`, size/6) + `"`,
		"one name of escapes":      `"` + strings.Repeat(`\n`, size/2) + `":0`,
		"one number":               `"X":1` + strings.Repeat("0", size),
		"white space":              `"X":0` + strings.Repeat(" ", size),
	}
}

const longName = "a name that is longer than the others"

// members are so many bytes of members with different names of this form.
func members(size int, name string) string {
	var text strings.Builder
	for i := 0; text.Len() < size; i++ {
		if i > 0 {
			text.WriteByte(',')
		}
		fmt.Fprintf(&text, `"`+name+`":0`, strings.ToUpper(strconv.FormatInt(int64(i), 36)))
	}
	return text.String()
}

// claimShapes are claims that are read before the signature is verified.
func claimShapes(size int) map[string]map[string]any {
	list := strings.Split(strings.Repeat("a,", size/4), ",")
	scopes := strings.Repeat("a ", size/2)
	object := map[string]any{}
	for i := range size / 8 {
		object[strconv.FormatInt(int64(i), 36)] = 0
	}
	return map[string]map[string]any{
		"aud of many strings":  {"aud": append([]string{resourceURI}, list...)},
		"scope of many scopes": {"scope": "mcp:read " + scopes},
		"scp of many scopes":   {"scope": nil, "scp": append([]string{"mcp:read"}, list...)},
		"cnf of many members":  {"cnf": object},
		"a long sub":           {"sub": strings.Repeat("\n", size/2)},
		"a long client_id":     {"client_id": strings.Repeat("a", size)},
	}
}

// faulty are objects whose fault a reader finds last of all.
func faulty(members string) map[string]string {
	return map[string]string{
		"cut short":               "{" + members,
		"a name twice at the end": "{" + members + `,"z-z":0,"z-z":0}`,
		"a byte behind":           "{" + members + "}x",
	}
}

// jsonTexts are objects with these members and the shapes.
func jsonTexts(t testing.TB, size int, needed map[string]any) map[string][]byte {
	t.Helper()
	texts := map[string][]byte{}
	for name, shape := range jsonShapes(size) {
		texts[name] = fmt.Appendf(nil, "{%s,%s", shape, marshal(t, needed)[1:])
	}
	return texts
}

func marshal(t testing.TB, object map[string]any) []byte {
	t.Helper()
	text, err := json.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// with is a copy with changes; nil removes a member.
func with(object, changes map[string]any) map[string]any {
	object = maps.Clone(object)
	maps.Copy(object, changes)
	maps.DeleteFunc(object, func(_ string, value any) bool { return value == nil })
	return object
}

// forged replaces the signature, which keeps its length.
func forged(compact string) string {
	dot := strings.LastIndexByte(compact, '.') + 1
	signature, _ := base64.RawURLEncoding.DecodeString(compact[dot:])
	return compact[:dot] + base64.RawURLEncoding.EncodeToString(make([]byte, len(signature)))
}

// newHostileWorld takes DPoP proofs, and none must carry a nonce.
func newHostileWorld(t testing.TB) *world {
	t.Helper()
	w := newWorld(t, "ES256", 1, remember)
	state := w.state(t, remember, testenv.TeamPolicy)
	state.Resources = resources(t, "optional")
	state.Possession = token.NewPossessionVerifier(token.PossessionOptions{Since: time.Now().Add(-time.Hour)})
	if err := w.server.Swap(state); err != nil {
		t.Fatal(err)
	}
	w.ask(t)
	return w
}

// hostileTokens are tokens of each shape, signed. Those of the second map are
// refused whoever signed them.
func (w *world) hostileTokens(t testing.TB) (good, bad map[string]string) {
	t.Helper()
	header := map[string]any{"alg": w.key.Alg, "kid": w.key.ID, "typ": "at+jwt"}
	claims := map[string]any{
		"iss": issuerURL, "sub": "alice", "aud": resourceURI, "client_id": "app", "jti": "1", "scope": "mcp:read",
		"exp": time.Now().Add(time.Hour).Unix(),
	}
	good, bad = map[string]string{}, map[string]string{}
	for name, text := range jsonTexts(t, tokenJSON, header) {
		good["header of "+name] = w.key.SignRaw(text, marshal(t, claims))
	}
	for name, text := range jsonTexts(t, tokenJSON, claims) {
		good["payload of "+name] = w.key.SignRaw(marshal(t, header), text)
	}
	for name, changes := range claimShapes(tokenJSON) {
		good[name] = w.key.SignAs(header, with(claims, changes))
	}
	bad["cnf of many members"] = good["cnf of many members"]
	delete(good, "cnf of many members")
	for shape, text := range jsonShapes(tokenJSON - 20) {
		for fault, object := range faulty(text) {
			bad["header of "+shape+", "+fault] = w.key.SignRaw([]byte(object), marshal(t, claims))
			bad["payload of "+shape+", "+fault] = w.key.SignRaw(marshal(t, header), []byte(object))
		}
	}
	return good, bad
}

// hostileProofs are DPoP proofs of each shape, signed by a key, for a token.
func hostileProofs(t testing.TB, key *jwttest.Key, token string) map[string]string {
	t.Helper()
	parts := strings.Split(key.SignProof(jwttest.Proof{
		Method: "POST", URL: resourceURI, Token: token, ID: "id", At: time.Now(),
	}, nil), ".")
	var header, claims map[string]any
	for i, object := range []*map[string]any{&header, &claims} {
		text, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err != nil || json.Unmarshal(text, object) != nil {
			t.Fatal(err)
		}
	}
	claims["iat"] = time.Now().Unix() // and no float
	jwk := header["jwk"].(map[string]any)
	proofs := map[string]string{}
	fresh := func() map[string]any { return with(claims, map[string]any{"jti": strconv.Itoa(len(proofs))}) }
	for name, text := range jsonTexts(t, proofJSON, header) {
		proofs["header of "+name] = key.SignRaw(text, marshal(t, fresh()))
	}
	for name, text := range jsonTexts(t, proofJSON, jwk) {
		proofs["jwk of "+name] = key.SignAs(with(header, map[string]any{"jwk": json.RawMessage(text)}), fresh())
	}
	operations := strings.Split(strings.Repeat("ab,", proofJSON/5)+"verify", ",")
	jwk = with(jwk, map[string]any{"key_ops": operations})
	proofs["jwk of many key_ops"] = key.SignAs(with(header, map[string]any{"jwk": jwk}), fresh())
	for name, shape := range jsonShapes(proofJSON) {
		text := fmt.Appendf(nil, "{%s,%s", shape, marshal(t, fresh())[1:])
		proofs["payload of "+name] = key.SignRaw(marshal(t, header), text)
	}
	return proofs
}

// hostileJSON are Checks with a token or a proof of each shape whose signature
// does not verify.
func (w *world) hostileJSON(t testing.TB) map[string]*authv3.CheckRequest {
	t.Helper()
	checks := map[string]*authv3.CheckRequest{}
	good, bad := w.hostileTokens(t)
	maps.Copy(good, bad)
	for name, token := range good {
		checks["token, "+name] = traffic.Request(forged(token), traffic.Raw, 1)
	}
	key, token := w.bound()
	for name, proof := range hostileProofs(t, key, token) {
		checks["proof, "+name] = proven(token, forged(proof))
	}
	return checks
}

// bound is a key of a client and a token that is bound to it.
func (w *world) bound() (*jwttest.Key, string) {
	key := jwttest.NewKey("ES256", "")
	return key, w.key.Sign(map[string]any{
		"iss": issuerURL, "sub": "alice", "aud": resourceURI, "client_id": "app", "jti": "bound", "scope": "mcp:read",
		"exp": time.Now().Add(time.Hour).Unix(), "cnf": map[string]any{"jkt": key.Thumbprint()},
	})
}

func proven(token, proof string) *authv3.CheckRequest {
	check := traffic.Request(token, traffic.Raw, 1)
	http := check.GetAttributes().GetRequest().GetHttp()
	replace(http, "authorization", "DPoP "+token)
	listed([2]string{"dpop", proof})(http)
	return check
}

// TestHostileJSONReachesTheSignature: the signature alone refuses the tokens and
// proofs that [world.hostileJSON] forges, so that their memory is that of all
// that comes before it.
func TestHostileJSONReachesTheSignature(t *testing.T) {
	w := newHostileWorld(t)
	good, _ := w.hostileTokens(t)
	for name, token := range good {
		w.allows(t, "token, "+name, traffic.Request(token, traffic.Raw, 1))
	}
	key, token := w.bound()
	for name, proof := range hostileProofs(t, key, token) {
		w.allows(t, "proof, "+name, proven(token, proof))
	}
}

func (w *world) allows(t *testing.T, name string, check *authv3.CheckRequest) {
	t.Helper()
	if response := w.server.Check(context.Background(), check); response.GetStatus().GetCode() != 0 {
		t.Errorf("%s: refused: %v", name, response)
	}
}
