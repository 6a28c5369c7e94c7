package testenv

import (
	"net/http"
	"testing"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
)

// TestACheckThatMeetsADeadReplica is asked of the other one, at once. What puts
// dead replicas aside is taken away, so that many Checks meet it.
func TestACheckThatMeetsADeadReplica(t *testing.T) {
	gone, err := FreeAddresses(1)
	if err != nil {
		t.Fatal(err)
	}
	s := startBeside(t, gone, func(b *Bootstrap) error {
		doorward := b.Cluster("doorward")
		doorward.HealthChecks, doorward.OutlierDetection = nil, nil
		return nil
	})
	for i := range 100 {
		if response, _ := s.send("DELETE", "/mcp"); response.StatusCode == http.StatusServiceUnavailable {
			t.Errorf("request %d: %s", i, response.Status)
		}
	}
	if n, err := s.envoy.Stat(s.Context(), "cluster.doorward.upstream_rq_retry"); err != nil || n == 0 {
		t.Errorf("no Check met it: %d, %v", n, err)
	}
}

// TestAnotherHostForTheServer is what a server gets that answers 421 to the
// host of its clients; the Check has that of the clients.
func TestAnotherHostForTheServer(t *testing.T) {
	s := start(t, func(b *Bootstrap) error {
		route := b.Host.GetRoutes()[len(b.Host.GetRoutes())-1].GetRoute()
		route.HostRewriteSpecifier = &routev3.RouteAction_HostRewriteLiteral{HostRewriteLiteral: "127.0.0.1:8080"}
		return nil
	})
	s.send("GET", "/mcp")
	judged, arrived := s.door.requests()[0].GetRequest().GetHttp().GetHost(), s.upstream.Requests()[0].Host
	if judged != "mcp.example.com" || arrived != "127.0.0.1:8080" {
		t.Errorf("judged for %s, arrived for %s", judged, arrived)
	}
}
