package extauthz_test

import (
	"testing"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
)

// fromPeer is a Check whose connection has this peer.
func fromPeer(check *authv3.CheckRequest, address string) *authv3.CheckRequest {
	check.Attributes.Source = &authv3.AttributeContext_Peer{Address: &corev3.Address{Address: &corev3.Address_SocketAddress{
		SocketAddress: &corev3.SocketAddress{Address: address},
	}}}
	return check
}

// TestClientAddress: the client's address is the peer's, or with
// trust_client_address the one in Envoy's header. A header that is repeated, or is
// no single address, denies: it never counts as the peer's.
func TestClientAddress(t *testing.T) {
	const peer, office = "203.0.113.7", "203.0.113.9"
	d := startService(t, useTempFolder(t, team(`require["office"] if net.cidr_contains("203.0.113.0/24", input.request.client_address)
headers["x-client"] := input.request.client_address`))...)
	for _, row := range []struct {
		intent string
		trust  bool
		peer   string
		said   []string // x-envoy-external-address
		want   string   // "" is denied
	}{
		{"the peer", false, peer, nil, peer},
		{"the peer, whatever a client writes", false, peer, []string{office}, peer},
		{"a peer elsewhere, whatever a client writes", false, "198.51.100.1", []string{office}, ""},
		{"a peer in another spelling", false, "::ffff:203.0.113.7", nil, peer},
		{"no peer", false, "", nil, ""},
		{"a pipe", false, "/run/envoy.sock", nil, ""},
		{"Envoy's header", true, "10.0.0.1", []string{office}, office},
		{"Envoy's header in another spelling", true, "10.0.0.1", []string{"::ffff:203.0.113.9"}, office},
		{"absent", true, peer, nil, ""},
		{"empty", true, peer, []string{""}, ""},
		{"repeated", true, peer, []string{office, office}, ""},
		{"two in one", true, peer, []string{office + ", 203.0.113.8"}, ""},
		{"with a port", true, peer, []string{office + ":443"}, ""},
		{"with a zone", true, peer, []string{"fe80::1%eth0"}, ""},
		{"a name", true, peer, []string{"office.example.com"}, ""},
		{"elsewhere", true, peer, []string{"198.51.100.1"}, ""},
	} {
		for _, cache := range []int64{0, 1 << 20} {
			state := *d.state
			state.TrustClientAddress, state.TokenCache = row.trust, cache
			d.swap(t, &state)
			question := bearer(d.token())
			for _, value := range row.said {
				question.headers = append(question.headers, [2]string{"x-envoy-external-address", value})
			}
			for _, check := range []*authv3.CheckRequest{question.joined(), question.apart(), question.joined()} { // the last may be pinned
				answer := d.check(t, fromPeer(check, row.peer))
				got := ""
				for _, option := range answer.GetOkResponse().GetHeaders() {
					if option.GetHeader().GetKey() == "x-client" {
						got = option.GetHeader().GetValue()
					}
				}
				if heard := readResponse(t, answer); got != row.want || (heard.reason == "allowed") != (row.want != "") {
					t.Errorf("%s: %s for %q, want %q", row.intent, heard.reason, got, row.want)
				}
			}
		}
	}
}
