package outbound

import "net/netip"

// SetPrivate lets a test choose which addresses are private, until it calls restore.
func SetPrivate(test func(netip.Addr) bool) (restore func()) {
	before := isPrivate
	isPrivate = test
	return func() { isPrivate = before }
}
