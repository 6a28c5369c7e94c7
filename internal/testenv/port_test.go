package testenv

import (
	"net"
	"strings"
	"testing"
)

func TestABusyPortSaysSo(t *testing.T) {
	held, err := Listen("")
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	_, port, err := net.SplitHostPort(held.Addr().String())
	if err != nil {
		t.Fatal(err)
	}

	_, err = Listen(held.Addr().String())
	if err == nil || !strings.HasPrefix(err.Error(), "port "+port+" is busy: ") {
		t.Errorf("Listen on a held port: %v", err)
	}
	_, err = Listen("127.0.0.1:not-a-port")
	if err == nil || strings.Contains(err.Error(), "busy") {
		t.Errorf("Listen on nonsense: %v", err)
	}
}

func TestFreeAddressesDifferAndAreFree(t *testing.T) {
	addresses, err := FreeAddresses(4)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, address := range addresses {
		if seen[address] {
			t.Errorf("%s was named twice", address)
		}
		seen[address] = true
		listener, err := Listen(address)
		if err != nil {
			t.Fatal(err)
		}
		defer listener.Close()
	}
	if len(seen) != 4 {
		t.Errorf("%d addresses instead of 4", len(seen))
	}
}
