package extauthz

import (
	"context"
	"log/slog"
	"sync/atomic"

	"github.com/doorward/doorward/extauthz/reason"
)

// headerList notices a mesh that sends the headers of a list alone, without
// Authorization in it: every request is a 401 then, with a token and without.
//
// Envoy writes x-request-id on each request before the Check, so that a request
// without it comes through such a list.
type headerList struct {
	bare atomic.Int64 // such requests without a credential since the last one with a credential
}

// bareBefore is how many requests without a credential come before the first warning.
const bareBefore = 100

// sees counts a request, and reports whether to warn: at bareBefore of them, and then
// whenever their number has doubled.
func (h *headerList) sees(req *request, v *verdict) bool {
	if v.reason != reason.NoCredentials && h.bare.Load() == 0 {
		return false // each allowed request ends here
	}
	if _, traced, _ := req.headers.Only("x-request-id"); traced {
		return false
	}
	if v.reason != reason.NoCredentials {
		if _, present, _ := req.headers.Only("authorization"); present {
			h.bare.Store(0)
		}
		return false
	}
	count := h.bare.Add(1)
	times := count / bareBefore
	return count%bareBefore == 0 && times&(times-1) == 0
}

// warnOfHeaderList logs what to change in the mesh.
func (j *denialLog) warnOfHeaderList(v *verdict) {
	if j.Allow("header_list") {
		j.log.LogAttrs(context.Background(), slog.LevelWarn, "the mesh sends no Authorization header",
			slog.String("resource", v.name()), slog.String("advice", "none of the last requests had "+
				"Authorization or x-request-id, which Envoy writes on each: the mesh sends the headers of a list "+
				"alone (allowed_headers, allowedHeaders, headersToExtAuth): remove the list, which also hides forged "+
				"x-mcp-auth-* headers, or add authorization, dpop, origin and x-request-id to it"))
	}
}
