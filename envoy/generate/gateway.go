package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	adminv3 "github.com/envoyproxy/go-control-plane/envoy/admin/v3"
	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

const gatewayFile = "gateway/gateway.yaml"

// generateGateway has Envoy Gateway's own translator make its configuration.
func generateGateway(ctx context.Context, root, egctl string) error {
	released, err := exec.CommandContext(ctx, "go", "version", "-m", egctl).Output()
	if err != nil {
		return fmt.Errorf("%s: %w", egctl, err)
	}
	applied, err := os.ReadFile(filepath.Join(root, gatewayFile))
	if err != nil {
		return err
	}
	certificate, err := secret()
	if err != nil {
		return err
	}
	file := filepath.Join(os.TempDir(), "doorward-gateway.yaml")
	all := strings.Join([]string{string(applied), clusterOfGateway, certificate}, "\n---\n")
	if err := os.WriteFile(file, []byte(all), 0o600); err != nil {
		return err
	}
	made, err := translate(ctx, file, egctl)
	if err != nil {
		return err
	}
	b, err := made.bootstrap(selection{
		listener: "mcp/mcp/https",
		clusters: []string{"securitypolicy/mcp/doorward/extauth/0", "httproute/mcp/mcp/rule/1"},
	})
	if err != nil {
		return err
	}
	return write(filepath.Join(root, "gateway/golden/gateway.yaml"),
		"Envoy Gateway's egctl "+moduleVersion(string(released)), []string{"gateway.yaml"}, b)
}

// moduleVersion reads the output of go version -m.
func moduleVersion(output string) string {
	for line := range strings.Lines(output) {
		if fields := strings.Fields(line); len(fields) > 2 && fields[0] == "mod" {
			return fields[2]
		}
	}
	return "of unknown version"
}

func translate(ctx context.Context, file, egctl string) (golden, error) {
	output, err := exec.CommandContext(ctx, egctl, "experimental", "translate", "--from", "gateway-api", "--to", "xds",
		"--type", "all", "-f", file, "-o", "json").Output()
	if err != nil {
		return golden{}, fmt.Errorf("egctl: %w", err)
	}
	var dump struct {
		XDS map[string]json.RawMessage `json:"xds"`
	}
	if err := json.Unmarshal(output, &dump); err != nil {
		return golden{}, err
	}
	made := golden{routes: map[string]*routev3.RouteConfiguration{}}
	for _, one := range dump.XDS {
		if err := made.add(one); err != nil {
			return golden{}, err
		}
	}
	return made, nil
}

// add takes what one Envoy's configuration dump holds.
func (g *golden) add(dump []byte) error {
	whole := &adminv3.ConfigDump{}
	if err := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(dump, whole); err != nil {
		return err
	}
	for _, part := range whole.GetConfigs() {
		message, err := part.UnmarshalNew()
		if err != nil {
			return err
		}
		if err := g.addPart(message); err != nil {
			return err
		}
	}
	return nil
}

func (g *golden) addPart(part proto.Message) error {
	switch part := part.(type) {
	case *adminv3.ListenersConfigDump:
		for _, one := range part.GetDynamicListeners() {
			listener := &listenerv3.Listener{}
			if err := one.GetActiveState().GetListener().UnmarshalTo(listener); err != nil {
				return err
			}
			g.listeners = append(g.listeners, listener)
		}
	case *adminv3.RoutesConfigDump:
		for _, one := range part.GetDynamicRouteConfigs() {
			route := &routev3.RouteConfiguration{}
			if err := one.GetRouteConfig().UnmarshalTo(route); err != nil {
				return err
			}
			g.routes[route.GetName()] = route
		}
	case *adminv3.ClustersConfigDump:
		for _, one := range part.GetDynamicActiveClusters() {
			cluster := &clusterv3.Cluster{}
			if err := one.GetCluster().UnmarshalTo(cluster); err != nil {
				return err
			}
			g.clusters = append(g.clusters, cluster)
		}
	}
	return nil
}

// secret is the certificate of the Gateway, in YAML. Nothing of it reaches the golden file.
func secret() (string, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"mcp.example.com"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	private, more := x509.MarshalPKCS8PrivateKey(key)
	if err := errors.Join(err, more); err != nil {
		return "", err
	}
	encode := func(kind string, der []byte) string {
		return base64.StdEncoding.EncodeToString(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	return fmt.Sprintf("apiVersion: v1\nkind: Secret\nmetadata: {name: mcp-tls, namespace: mcp}\n"+
		"type: kubernetes.io/tls\ndata: {tls.crt: %s, tls.key: %s}\n",
		encode("CERTIFICATE", certificate), encode("PRIVATE KEY", private)), nil
}
