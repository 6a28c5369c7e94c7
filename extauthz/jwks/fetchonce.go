package jwks

import "context"

// FetchOnce fetches the issuer's keys as the first fetch of a [Source] would and
// returns the state that the Source would then report. It is for checks before
// a start: it reads nothing from CacheDir and writes nothing there. The options
// must have passed [Options.Check].
func (o Options) FetchOnce(ctx context.Context) Status {
	o.CacheDir = ""
	s := NewSource(o, Environment{})
	if !s.static {
		defer s.fetcher.client.CloseIdle()
		s.fetch(ctx)
	}
	return s.Status()
}
