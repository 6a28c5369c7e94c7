package extauthz

import "net/netip"

// externalAddress is the header in which Envoy writes the address that a request
// comes from, before the proxies that it is configured to trust. It replaces what a client
// writes there.
const externalAddress = "x-envoy-external-address"

// clientAddress is the IP address of the client, in its canonical spelling; ""
// where it is not known. Where Envoy's header is trusted, only that header
// counts: the peer would be a proxy, and a rule about networks would let every
// client through.
func (r *request) clientAddress() string {
	spelled := r.sourceAddress
	if r.trustsClientAddress {
		value, present, more := r.headers.Only(externalAddress)
		if !present || more {
			return ""
		}
		spelled = value
	}
	address, err := netip.ParseAddr(spelled)
	if err != nil || address.Zone() != "" {
		return ""
	}
	var room [64]byte
	if canonical := address.Unmap().AppendTo(room[:0]); string(canonical) != spelled {
		return string(canonical)
	}
	return spelled // as Envoy spells it, without a copy
}
