package benchmarks_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/protobuf/proto"

	"github.com/doorward/doorward/benchmarks/traffic"
	"github.com/doorward/doorward/extauthz/resource"
	"github.com/doorward/doorward/internal/destination"
	"github.com/doorward/doorward/internal/egress"
	"github.com/doorward/doorward/internal/exchange"
	"github.com/doorward/doorward/internal/handle"
	"github.com/doorward/doorward/internal/policy"
	"github.com/doorward/doorward/internal/testenv"
	"github.com/doorward/doorward/internal/testenv/jwttest"
	"github.com/doorward/doorward/rego"
)

const (
	egressAddress = "unix:///egress.sock"
	keepHost      = "keep.example.com"
	noneHost      = "none.example.com"
	exchangeHost  = "exchange.example.com"
)

// egressWorld is a world whose server calls three destinations.
type egressWorld struct {
	*world
	listener *egress.Listener
	sealer   *handle.Sealer
	foreign  *jwttest.Key
	asked    int // the authorization server, for a token
}

func newEgressWorld(t testing.TB) *egressWorld {
	t.Helper()
	w := &egressWorld{world: newWorld(t, "RS256", 1, remember), foreign: jwttest.NewKey("RS256", "foreign")}
	state := *w.server.State()
	state.Policy = egressPolicy(t)
	if err := w.server.Swap(&state); err != nil {
		t.Fatal(err)
	}
	var err error
	if w.sealer, err = handle.New(handle.Options{
		Keys: [][]byte{bytes.Repeat([]byte{1}, handle.KeyBytes)}, Lifetime: time.Hour, MaxBytes: 6 << 10,
	}); err != nil {
		t.Fatal(err)
	}
	server, err := egress.New(egress.Options{Inbound: w.server})
	if err != nil {
		t.Fatal(err)
	}
	known := destination.Known{Resources: []string{"benchmark"}, Issuers: []string{issuerURL}}
	table, problems := destination.NewTable([]destination.Spec{
		{Host: keepHost, Token: destination.Keep},
		{Host: noneHost, Token: destination.None},
		{Host: exchangeHost, Token: destination.Exchange, Exchange: []exchange.Entry{{
			Issuer: issuerURL, TokenEndpoint: issuerURL + "/token", Resource: "https://" + exchangeHost,
			ClientID: "doorward", ClientSecret: []byte("secret"),
		}}},
	}, known)
	if table == nil {
		t.Fatal(problems)
	}
	entry := table.Find(exchangeHost, "/", "benchmark").ExchangeFor(issuerURL)
	source := exchange.NewSource(*entry, exchange.Environment{
		IsOurs: server.IsOurs, Observe: server.CountExchange, Transport: w,
	})
	server.Swap(&egress.State{
		Listeners:    map[string]egress.Callers{egressAddress: {Resource: "benchmark"}},
		Destinations: table, CheckTimeout: 5 * time.Second, Handles: w.sealer,
		Sources: map[*exchange.Entry]*exchange.Source{entry: source},
	})
	w.listener = server.At(egressAddress)
	return w
}

func egressPolicy(t testing.TB) *policy.Engine {
	t.Helper()
	team := filepath.Join(t.TempDir(), "team.rego")
	if err := os.WriteFile(team, []byte(testenv.TeamPolicy), 0o600); err != nil {
		t.Fatal(err)
	}
	memory := policy.NewDecisionCache()
	memory.SetMaximum(decisions)
	engine, faults := policy.Compile(context.Background(), policy.Sources{
		Library: rego.Files, Paths: []string{team}, Cache: memory, Egress: true,
	})
	if engine == nil {
		t.Fatal(faults)
	}
	return engine
}

// RoundTrip is the authorization server.
func (w *egressWorld) RoundTrip(request *http.Request) (*http.Response, error) {
	w.asked++
	answer := `{"access_token":"` + w.sign("exchanged", "https://"+exchangeHost) +
		`","issued_token_type":"urn:ietf:params:oauth:token-type:access_token","token_type":"Bearer","expires_in":3600}`
	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}}, Request: request,
		Body: io.NopCloser(strings.NewReader(answer)),
	}, nil
}

// sign makes a token that is for no resource of ours.
func (w *egressWorld) sign(id, audience string) string {
	now := time.Now()
	return w.foreign.Sign(map[string]any{
		"iss": "https://other.example.com", "sub": "service", "aud": audience, "client_id": "service", "jti": id,
		"scope": "read", "iat": now.Unix(), "exp": now.Add(time.Hour).Unix(),
	})
}

// handle seals the token of a user.
func (w *egressWorld) handle(t testing.TB, token string) string {
	t.Helper()
	sealed, err := w.sealer.Seal(handle.Content{
		Resource: "benchmark", URL: resourceURI, Issuer: issuerURL, Token: token, Expiry: time.Now().Add(time.Hour),
	}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return sealed
}

// leaving is a request to a host with these further headers and this body.
func leaving(t testing.TB, n int, host, bearer, body string, more ...[2]string) []byte {
	t.Helper()
	check := traffic.Request(bearer, traffic.Raw, n)
	request := check.GetAttributes().GetRequest().GetHttp()
	request.Host = host
	replace(request, ":authority", host)
	replace(request, "content-length", fmt.Sprint(len(body)))
	request.RawBody = []byte(body)
	listed(more...)(request)
	check.Attributes.ContextExtensions = map[string]string{"destination": host}
	if body == "" {
		request.HeaderMap.Headers = slices.DeleteFunc(request.GetHeaderMap().GetHeaders(), func(h *corev3.HeaderValue) bool {
			return h.GetKey() == "content-length"
		})
		request.Method = http.MethodGet
		replace(request, ":method", http.MethodGet)
	}
	return encode(t, check)
}

// jsonBody is JSON of this many bytes with texts, numbers, escapes and base64, and without
// a token.
func jsonBody(size int) string {
	const record = `{"id":1234567890,"at":"2026-03-01T12:34:56.789Z","name":"Weather report, \"north\"\n","path":` +
		`"C:\\data\\report.txt","image":"iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAA",` +
		`"values":[12.5,-3.25,1e10],"city":"K\u00f6ln","ok":true},`
	repeated := strings.Repeat(record, size/len(record))
	return `{"records":[` + strings.TrimSuffix(repeated, ",") + `],"rest":"` +
		strings.Repeat("a", max(size-len(repeated)-24, 0)) + `"}`
}

// row is one kind of hot egress Check.
type row struct {
	name  string
	wires [][]byte
}

// rows are the kinds: no two Checks that follow each other are equal.
func (w *egressWorld) rows(t testing.TB) []row {
	t.Helper()
	bearer := w.sign("foreign", "https://"+keepHost)
	sealed := [2]string{"x-mcp-auth-handle", w.handle(t, w.tokens[0])}
	of := func(name, host, bearer, body string, more ...[2]string) row {
		return row{name, [][]byte{leaving(t, 0, host, bearer, body, more...), leaving(t, 1, host, bearer, body, more...)}}
	}
	return []row{
		of("none", noneHost, "", ""), of("keep", keepHost, bearer, ""), of("exchange", exchangeHost, "", "", sealed),
		of("body of 64 KiB", noneHost, "", jsonBody(64<<10)), of("body of 1 MiB", noneHost, "", jsonBody(1<<20)),
	}
}

func (w *egressWorld) leave(wire []byte) []byte {
	return w.listener.Answer(context.Background(), slices.Clone(wire))
}

// mustLeave makes a Check that must be allowed.
func (w *egressWorld) mustLeave(t testing.TB, wire []byte) *authv3.OkHttpResponse {
	t.Helper()
	response := decode(t, w.leave(wire))
	if response.GetOkResponse() == nil {
		t.Fatalf("refused: %v", response)
	}
	return response.GetOkResponse()
}

// BenchmarkHotEgress is a hot Check of a request that leaves, from bytes to bytes. Its metric
// x-inbound is its time over that of [BenchmarkHotAnswer], and x-64KiB over that with a body
// of 64 KiB.
func BenchmarkHotEgress(b *testing.B) {
	w := newEgressWorld(b)
	w.ask(b)
	rows := w.rows(b)
	small := rows[slices.IndexFunc(rows, func(r row) bool { return r.name == "body of 64 KiB" })]
	for _, row := range rows {
		b.Run(row.name, func(b *testing.B) {
			w.mustLeave(b, row.wires[0])
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				w.leave(row.wires[n%2])
				n++
			}
			if row.name == "body of 1 MiB" {
				b.ReportMetric(over(100, func() { w.leave(row.wires[0]) }, func() { w.leave(small.wires[0]) }), "x-64KiB")
			} else {
				b.ReportMetric(over(2000, func() { w.leave(row.wires[0]) }, func() { w.answer(w.wires[0]) }), "x-inbound")
			}
		})
	}
}

// over is the time of one over that of another, one after the other, so that what
// disturbs the machine disturbs both; the medians, so that what disturbs it for a moment
// does not count.
func over(times int, one, other func()) float64 {
	ones, others := make([]time.Duration, times), make([]time.Duration, times)
	for i := range times {
		began := time.Now()
		one()
		between := time.Now()
		other()
		ones[i], others[i] = between.Sub(began), time.Since(between)
	}
	slices.Sort(ones)
	slices.Sort(others)
	return float64(ones[times/2]) / float64(others[times/2])
}

// TestHotEgress: the Checks of BenchmarkHotEgress do what it measures.
func TestHotEgress(t *testing.T) {
	w := newEgressWorld(t)
	for _, row := range w.rows(t) {
		for _, wire := range slices.Repeat(row.wires, 2) {
			set := w.mustLeave(t, wire).GetHeaders()
			if isSet := len(set) == 1 && set[0].GetHeader().GetKey() == "authorization"; isSet != (row.name == "exchange") {
				t.Errorf("%s: sets %v", row.name, set)
			}
		}
	}
	if w.asked != 1 {
		t.Errorf("the authorization server was asked %d times", w.asked)
	}
	for size := range map[int]bool{64 << 10: true, 1 << 20: true} {
		if got := len(jsonBody(size)); got < size-1024 || got > size || !json.Valid([]byte(jsonBody(size))) {
			t.Errorf("a body of %d bytes has %d, or is no JSON", size, got)
		}
	}
}

func decode(t testing.TB, wire []byte) *authv3.CheckResponse {
	t.Helper()
	response := new(authv3.CheckResponse)
	if err := proto.Unmarshal(wire, response); err != nil {
		t.Fatal(err)
	}
	return response
}

// TestAForeignTokenIsRemembered while nothing that decides has changed, and only if each
// reading of it is foreign.
func TestAForeignTokenIsRemembered(t *testing.T) {
	w := newEgressWorld(t)
	const future = "https://new.example.com/mcp"
	wire := leaving(t, 0, keepHost, w.sign("1", future), "")
	w.mustLeave(t, wire)
	w.mustLeave(t, wire)
	refused := func(intent string, wire []byte) {
		t.Helper()
		for range 3 {
			if got := decode(t, w.leave(wire)).GetDynamicMetadata().GetFields()["reason"].GetStringValue(); got != "passthrough" {
				t.Errorf("%s: %s", intent, got)
			}
		}
	}
	refused("a token that some readers find foreign", leaving(t, 0, keepHost, "eyJhbGciOiJub25lIn0."+base64.RawURLEncoding.
		EncodeToString([]byte(`{"iss":"https://other.example.com","aud":"`+resourceURI+`","aud":"foreign"}`))+".c2ln", ""))
	state := *w.server.State()
	table, problems := resource.NewTable([]resource.Spec{
		{URI: resourceURI, Name: "benchmark", Issuers: []string{issuerURL}}, {URI: future, Name: "new", Issuers: []string{issuerURL}},
	}, nil)
	if table == nil {
		t.Fatal(problems)
	}
	state.Resources = table
	if err := w.server.Swap(&state); err != nil {
		t.Fatal(err)
	}
	refused("a token of a resource that is new", wire)
}

// TestLimitsOfEgress is [TestLimits] for what leaves.
func TestLimitsOfEgress(t *testing.T) {
	if raced {
		t.Skip("the race detector allocates too; `make test` runs this without it as well")
	}
	w := newEgressWorld(t)
	limits := map[string]float64{
		"none": 20, "keep": 20, "exchange": 46, "body of 64 KiB": 22, "body of 1 MiB": 22,
	}
	for _, row := range w.rows(t) {
		w.mustLeave(t, row.wires[0])
		got := testing.AllocsPerRun(100, func() { w.leave(row.wires[0]) })
		t.Logf("%s: %.0f allocations", row.name, got)
		if got > limits[row.name] {
			t.Errorf("%s: %.0f allocations a Check; the limit is %.0f", row.name, got, limits[row.name])
		}
	}
}

// TestMemoryOfHostileEgress is [TestMemoryOfHostileShapes] for what leaves, with bodies,
// tokens and handles of which no two are equal.
func TestMemoryOfHostileEgress(t *testing.T) {
	if raced {
		t.Skip("the race detector allocates for itself; make test runs this without it")
	}
	const times, little = 24, 64 << 10
	w := newEgressWorld(t)
	for name, change := range shapes() {
		check := traffic.Request("opaque", traffic.Raw, 1)
		http := check.GetAttributes().GetRequest().GetHttp()
		http.Host, http.Method = noneHost, "GET"
		change(http)
		w.boundedBytes(t, name, encode(t, check), times, little)
	}
	n := 0
	token := func() string {
		n++
		return fmt.Sprintf("a.%s.b", base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, `{"iss":"i","aud":"%d"}`, n)))
	}
	var tokens strings.Builder
	for range 250 {
		tokens.WriteString(token() + " ")
	}
	for name, body := range map[string]string{
		"JSON": jsonBody(1 << 20), "escapes": strings.Repeat(`\u0061`, 1<<17), "percent": strings.Repeat("%61", 1<<18),
		"dots": strings.Repeat("a.", 1<<19), "tokens": tokens.String(), "the same token": strings.Repeat(token()+" ", 1<<14),
		"nearly tokens": "a." + strings.Repeat("eyJpc3Mi", 1<<16),
	} {
		w.boundedBytes(t, "body of "+name, leaving(t, 0, keepHost, "", body), times, little)
	}
	for name, value := range map[string]string{
		"forged": strings.Repeat("A", 8<<10), "empty": "", "no base64": strings.Repeat("~", 8<<10),
	} {
		wire := leaving(t, 0, exchangeHost, "", "", [2]string{"x-mcp-auth-handle", value})
		w.boundedBytes(t, "handle, "+name, wire, times, little)
	}
}

func (w *egressWorld) boundedBytes(t *testing.T, name string, wire []byte, times, little int) {
	t.Helper()
	least := ^uint64(0)
	for range 4 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		w.leave(wire)
		runtime.ReadMemStats(&after)
		least = min(least, after.TotalAlloc-before.TotalAlloc)
	}
	t.Logf("%s: %.1f bytes for a byte", name, float64(least)/float64(len(wire)))
	if least > uint64(times*len(wire)+little) {
		t.Errorf("%s: %d bytes allocated for a Check of %d", name, least, len(wire))
	}
}

// TestMemoryOfDistinctTokens: what is remembered of a flood of tokens and handles, of which
// each is sent once, is bounded.
func TestMemoryOfDistinctTokens(t *testing.T) {
	const flood, most = 30_000, 16 << 20
	w := newEgressWorld(t)
	held := func() uint64 {
		runtime.GC()
		var now runtime.MemStats
		runtime.ReadMemStats(&now)
		return now.HeapAlloc
	}
	before := held()
	for n := range flood {
		token := fmt.Sprintf("a.%s.b", base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, `{"iss":"i","aud":"%d"}`, n)))
		w.mustLeave(t, leaving(t, n, keepHost, token, ""))
		w.leave(leaving(t, n, exchangeHost, "", "", [2]string{"x-mcp-auth-handle", w.handle(t, token)}))
	}
	if after := held(); after > before+most {
		t.Errorf("%d bytes are held after %d tokens and as many handles, %d before", after, flood, before)
	} else {
		t.Logf("%d bytes more are held", int64(after)-int64(before))
	}
}
