package extauthz

import "net/netip"

// externalAddress is the header in which Envoy says where a request comes from,
// past the proxies that it is configured to trust. It replaces what a client
// writes there.
const externalAddress = "x-envoy-external-address"

// clientAddress is the IP address of the client, in its one spelling; "" where
// it is not known. Where Envoy's header is trusted, only that header counts: the
// peer would be a proxy, and a rule about networks would let everybody through.
func (r *request) clientAddress() string {
	said := r.sourceAddress
	if r.trustsClientAddress {
		value, present, more := r.headers.only(externalAddress)
		if !present || more {
			return ""
		}
		said = value
	}
	address, err := netip.ParseAddr(said)
	if err != nil || address.Zone() != "" {
		return ""
	}
	return address.Unmap().String()
}

// appendClientAddress adds what clientAddress reads to the key of a pin.
func (r *request) appendClientAddress(key []byte) []byte {
	if r.trustsClientAddress {
		return r.headers.appendValues(key, externalAddress)
	}
	return appendText(key, r.sourceAddress)
}
