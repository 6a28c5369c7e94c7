package exchange

import "github.com/doorward/doorward/extauthz/finding"

// Check returns what is wrong with an entry of `exchange`, without using the
// network. The paths of the findings are configuration keys below the entry.
func (e Entry) Check() finding.List { return nil }

// CheckClientCredentials is [Entry.Check] for an entry of `client_credentials`.
func (e Entry) CheckClientCredentials() finding.List { return nil }
