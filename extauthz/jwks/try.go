package jwks

import "context"

// Trial is what one fetch of an issuer's keys came to.
type Trial struct {
	Status
	Place   string    // where the key set is, without its query; "" where that was not found out
	Skipped []Skipped // keys that are published and not used
}

// Try fetches an issuer's keys once, as the first fetch of a [Source] does, and
// says what that Source would say of it. Nothing is read from CacheDir or kept
// there. The options are without problems.
func Try(ctx context.Context, o Options, env Environment) Trial {
	o.CacheDir = ""
	s := NewSource(o, env)
	if s.static {
		return Trial{Status: s.Status()}
	}
	defer s.fetcher.client.CloseIdle()
	s.fetch(ctx)
	trial := Trial{Status: s.Status(), Skipped: s.events.lastSkipped}
	if s.fetcher.etagURI != "" {
		trial.Place = place(s.fetcher.etagURI)
	}
	return trial
}
