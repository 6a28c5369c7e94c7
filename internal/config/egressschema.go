package config

import (
	"time"
)

// egress is the mapping `egress`.
type egress struct {
	Listeners    []egressListener   `yaml:"listeners" reload:"restart, for listen and to turn tls on or off"`
	Mode         string             `yaml:"mode,enforce|observe"`
	Unknown      string             `yaml:"unknown,deny|allow"`
	UnreadBody   string             `yaml:"unread_body,deny|allow"`
	CheckTimeout time.Duration      `yaml:"check_timeout"`
	Handle       handleKeys         `yaml:"handle"`
	Destinations []destinationEntry `yaml:"destinations"`
}

// egressListener is one element of `egress.listeners`.
type egressListener struct {
	Listen   string            `yaml:"listen,required"`
	Resource string            `yaml:"resource"`
	TLS      TLS               `yaml:"tls"`
	Peers    []string          `yaml:"peers"`
	Callers  map[string]string `yaml:"callers"`
}

// handleKeys is the mapping `egress.handle`.
type handleKeys struct {
	KeyFiles []string      `yaml:"key_files,path"`
	Carry    string        `yaml:"carry,header|baggage"`
	Lifetime time.Duration `yaml:"lifetime"`
	MaxBytes Size          `yaml:"max_bytes"`
}

// destinationEntry is one element of `egress.destinations`.
type destinationEntry struct {
	Host  string   `yaml:"host,required"`
	Paths []string `yaml:"paths"`
	From  []string `yaml:"from"`
	Token string   `yaml:"token,none|keep|exchange|client_credentials"`

	TokenEndpoint string `yaml:"token_endpoint"`
	TokenIssuer   string `yaml:"token_issuer"`

	Exchange          []exchangeEntry   `yaml:"exchange"`
	ClientCredentials clientCredentials `yaml:"client_credentials"`
	BoundSubject      string            `yaml:"bound_subject,deny|allow"`
	UnreadBody        string            `yaml:"unread_body,deny|allow"`
}

// exchangeEntry is one element of `egress.destinations[].exchange`.
type exchangeEntry struct {
	Issuer              string   `yaml:"issuer,required"`
	Subject             string   `yaml:"subject,token|assertion"`
	AuthorizationServer string   `yaml:"authorization_server"`
	TokenEndpoint       string   `yaml:"token_endpoint"`
	Resource            string   `yaml:"resource"`
	Audience            string   `yaml:"audience"`
	Scope               []string `yaml:"scope"`
	RequestedTokenType  string   `yaml:"requested_token_type"`
	ActorTokenFile      string   `yaml:"actor_token_file,path"`
	ActorTokenType      string   `yaml:"actor_token_type"`

	ClientID          string            `yaml:"client_id"`
	ClientSecretFile  string            `yaml:"client_secret_file,path"`
	PrivateKeyFile    string            `yaml:"private_key_file,path"`
	PrivateKeyID      string            `yaml:"private_key_id"`
	Algorithm         string            `yaml:"algorithm"`
	ClientCertificate clientCertificate `yaml:"client_certificate"`
	CAFile            string            `yaml:"ca_file,path"`
}

// clientCredentials is `egress.destinations[].client_credentials`.
type clientCredentials struct {
	Issuer        string   `yaml:"issuer,required"`
	TokenEndpoint string   `yaml:"token_endpoint"`
	Resource      string   `yaml:"resource"`
	Audience      string   `yaml:"audience"`
	Scope         []string `yaml:"scope"`

	ClientID          string            `yaml:"client_id"`
	ClientSecretFile  string            `yaml:"client_secret_file,path"`
	PrivateKeyFile    string            `yaml:"private_key_file,path"`
	PrivateKeyID      string            `yaml:"private_key_id"`
	Algorithm         string            `yaml:"algorithm"`
	ClientCertificate clientCertificate `yaml:"client_certificate"`
	CAFile            string            `yaml:"ca_file,path"`
}

// entry is an entry of an exchange with the same keys.
func (c clientCredentials) entry() exchangeEntry {
	return exchangeEntry{
		Issuer: c.Issuer, TokenEndpoint: c.TokenEndpoint, Resource: c.Resource, Audience: c.Audience, Scope: c.Scope,
		ClientID: c.ClientID, ClientSecretFile: c.ClientSecretFile, PrivateKeyFile: c.PrivateKeyFile,
		PrivateKeyID: c.PrivateKeyID, Algorithm: c.Algorithm, ClientCertificate: c.ClientCertificate, CAFile: c.CAFile,
	}
}

// assertionKeys is the mapping `resources[].assertion`.
type assertionKeys struct {
	Issuer       string        `yaml:"issuer,required"`
	Audience     string        `yaml:"audience,required"`
	KeyFile      string        `yaml:"key_file,path"`
	Lifetime     time.Duration `yaml:"lifetime"`
	PublishFiles []string      `yaml:"publish_files,path"`
}

// The values of these keys that are not their defaults.
const (
	observe      = "observe"
	allow        = "allow"
	carryBaggage = "baggage"
)

func defaultEgress() egress {
	return egress{
		Mode: "enforce", Unknown: "deny", UnreadBody: "deny", CheckTimeout: 5 * time.Second,
		Handle: handleKeys{Carry: "header", Lifetime: 5 * time.Minute, MaxBytes: 6 << 10},
	}
}
