package testenv

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
)

// Stat is the value of one of Envoy's counters or gauges, by its full name, as
// "cluster.doorward.health_check.success".
func (e *Envoy) Stat(ctx context.Context, name string) (int, error) {
	body, err := fetch(ctx, e.AdminURL()+"/stats?format=json&filter=^"+name+"$")
	if err != nil {
		return 0, err
	}
	var answer struct {
		Stats []struct {
			Name  string `json:"name"`
			Value int    `json:"value"`
		} `json:"stats"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return 0, fmt.Errorf("envoy's stats: %w", err)
	}
	for _, stat := range answer.Stats {
		if stat.Name == name {
			return stat.Value, nil
		}
	}
	return 0, fmt.Errorf("envoy has no counter %q", name)
}

// listenerAddress is where the listener really is, after port 0 was asked for.
func (e *Envoy) listenerAddress(ctx context.Context) (string, error) {
	body, err := fetch(ctx, e.AdminURL()+"/listeners?format=json")
	if err != nil {
		return "", err
	}
	var answer struct {
		Statuses []struct {
			Name  string `json:"name"`
			Local struct {
				Socket struct {
					Address string `json:"address"`
					Port    int    `json:"port_value"`
				} `json:"socket_address"`
			} `json:"local_address"`
		} `json:"listener_statuses"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return "", fmt.Errorf("envoy's listeners: %w", err)
	}
	for _, status := range answer.Statuses {
		if socket := status.Local.Socket; status.Name != egressListener && socket.Port != 0 {
			return net.JoinHostPort(socket.Address, strconv.Itoa(socket.Port)), nil
		}
	}
	return "", fmt.Errorf("envoy has no listener yet")
}

// fetch is a GET whose answer must be 200.
func fetch(ctx context.Context, url string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	request.Close = true // an open connection would hold up Envoy's end
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("GET %s: %s", url, response.Status)
	}
	return io.ReadAll(response.Body)
}
