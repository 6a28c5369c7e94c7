package interop

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"

	"github.com/doorward/doorward/internal/testenv"
)

// keycloak is a Keycloak process. Its database lies in the folder of the run,
// so that it is fresh each time and outlives a restart.
type keycloak struct {
	script  string // kc.sh
	address string
	folder  string
	process *testenv.Process
	service *service
	oldKeys string // id of the component that made the realm's first signing key
	current string // a good token
	removed string // a token by the first key, good until that is removed
	idToken string // of the same login as the user's token

	documents *httptest.Server // of the client whose id is a URL
}

const (
	realm    = "mcp"
	admin    = "admin"
	password = "not-a-secret" // of a server on loopback that lives for minutes
)

// keycloakSuite prepares the steps with Keycloak; nothing runs yet.
func keycloakSuite(o options) (*suite, error) {
	h := &suite{flag: suiteKeycloak, name: nameKeycloak}
	script := filepath.Join(o.tools, "keycloak", "bin", "kc.sh")
	if _, err := exec.LookPath("java"); err != nil {
		h.missing = "it needs Java 17"
	} else if _, err := os.Stat(script); err != nil {
		h.missing = "it is not installed; `envoy/interop/install keycloak` does that, with Maven"
	}
	if h.missing != "" {
		return h, nil
	}
	service, address, err := newService(o, h.flag, "  preset: keycloak\n")
	if err != nil {
		return nil, err
	}
	service.issuer = "http://" + address + "/realms/" + realm
	entry := fmt.Sprintf("audience: %q, scope: [api:read], client_id: %s, client_secret_file: client.secret", destination, gateway)
	if err := service.leaves(entry, []byte(gateway+"-secret")); err != nil {
		return nil, err
	}
	k := &keycloak{script: script, address: address, folder: service.folder, service: service}
	h.service, h.steps, h.head, h.words, h.about = service, k.steps(), upstreamHead, wayOut, upstreamAbout
	h.end = func() error {
		if k.documents != nil {
			k.documents.Close()
		}
		return k.process.Stop()
	}
	return h, nil
}

// up starts the server, and waits until it answers for a realm of that name.
func (k *keycloak) up(ctx context.Context, realm string) error {
	host, port, err := net.SplitHostPort(k.address)
	if err != nil {
		return err
	}
	k.process, err = testenv.Start(ctx, testenv.Command{
		Program: k.script, Dir: k.folder,
		Env: []string{"KC_BOOTSTRAP_ADMIN_USERNAME=" + admin, "KC_BOOTSTRAP_ADMIN_PASSWORD=" + password},
		Args: []string{
			"start-dev", "--http-host=" + host, "--http-port=" + port, "--hostname=http://" + k.address, "--cache=local", "--features=cimd",
			"--db-url=jdbc:h2:file:" + filepath.Join(k.folder, "h2", "keycloak") + ";NON_KEYWORDS=VALUE",
		},
	})
	if err != nil {
		return err
	}
	return k.process.Until(ctx, func(ctx context.Context) error {
		return k.service.answers(ctx, "http://"+k.address+"/realms/"+realm+"/.well-known/openid-configuration")
	})
}

func (k *keycloak) down() error {
	old := k.process
	k.process = nil
	return old.Stop()
}

// token asks the realm for one.
func (k *keycloak) token(ctx context.Context, client string, form ...string) (tokens, error) {
	return ask(ctx, k.service.issuer+"/protocol/openid-connect/token", client, form...)
}

// good is a token of a service account that must pass.
func (k *keycloak) good(ctx context.Context) (string, error) {
	answer, err := k.token(ctx, "svc", "grant_type", "client_credentials", "scope", "mcp:read")
	return answer.Access, err
}

// adminToken is good for a minute, so each call asks for one.
func (k *keycloak) adminToken(ctx context.Context) (string, error) {
	endpoint := "http://" + k.address + "/realms/master/protocol/openid-connect/token"
	answer, err := ask(ctx, endpoint, "", "client_id", "admin-cli",
		"grant_type", "password", "username", admin, "password", password)
	return answer.Access, err
}

// administer calls the admin API with a JSON body, or none, and decodes the
// answer into out, unless that is nil. The id is that of what was made.
func (k *keycloak) administer(ctx context.Context, method, path string, body, out any) (id string, err error) {
	bearer, err := k.adminToken(ctx)
	if err != nil {
		return "", err
	}
	text, err := json.Marshal(body)
	if err != nil {
		return "", err
	}
	request, err := http.NewRequestWithContext(ctx, method, "http://"+k.address+"/admin/realms"+path, bytes.NewReader(text))
	if err != nil {
		return "", err
	}
	request.Header.Set("Authorization", "Bearer "+bearer)
	request.Header.Set("Content-Type", "application/json")
	return k.answered(request, out)
}

func (k *keycloak) answered(request *http.Request, out any) (id string, err error) {
	request.Close = true
	response, err := k.service.client.Do(request)
	if err != nil {
		return "", err
	}
	defer func() { _ = response.Body.Close() }()
	said, err := io.ReadAll(response.Body)
	if err != nil {
		return "", err
	}
	if response.StatusCode >= http.StatusMultipleChoices {
		return "", fmt.Errorf("%s %s: %s %s", request.Method, request.URL.Path, response.Status, said)
	}
	if out != nil {
		err = json.Unmarshal(said, out)
	}
	return path.Base(response.Header.Get("Location")), err
}

// signingKeys finds the component that made the realm's first signing key.
func (k *keycloak) signingKeys(ctx context.Context) (id string, err error) {
	var components []struct {
		ID       string `json:"id"`
		Provider string `json:"providerId"`
	}
	_, err = k.administer(ctx, http.MethodGet, "/"+realm+"/components?type=org.keycloak.keys.KeyProvider", nil, &components)
	if err != nil {
		return "", err
	}
	var found []string
	for _, c := range components {
		found = append(found, c.Provider)
		if c.Provider == "rsa-generated" {
			return c.ID, nil
		}
	}
	return "", errors.New("no rsa-generated among the key providers " + strings.Join(found, " "))
}
