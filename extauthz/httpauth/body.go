package httpauth

import (
	"bytes"
	"io"
	"net/http"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
)

// maxBody is the most that a Check reads of a body, in bytes. A larger one is
// refused where the operation decides.
const maxBody = 1 << 20

// partialBody is the header with which Envoy says that a Check has the body, and
// whether it has only the beginning.
const partialBody = "x-envoy-auth-partial-body"

// describeBody puts the body of a request into a Check, and restores it for the next
// handler. A body that cannot be read to its end is one of which Envoy sends a part.
func describeBody(r *http.Request, check *authv3.CheckRequest) {
	read, isWhole := []byte{}, true
	if r.Body != nil {
		var err error
		read, err = io.ReadAll(io.LimitReader(r.Body, maxBody+1))
		rest := io.Reader(r.Body)
		if err != nil {
			rest = failing{err}
		}
		isWhole = err == nil && len(read) <= maxBody
		r.Body = &restored{io.MultiReader(bytes.NewReader(read), rest), r.Body}
	}
	partial := "true"
	if isWhole {
		partial = "false"
	}
	request := check.GetAttributes().GetRequest().GetHttp()
	request.RawBody = read[:min(len(read), maxBody)]
	headers := request.GetHeaderMap()
	headers.Headers = append(headers.Headers, &corev3.HeaderValue{Key: partialBody, RawValue: []byte(partial)})
}

// restored is a body that has been read, and is read again.
type restored struct {
	io.Reader
	io.Closer
}

// failing is the rest of a body that could not be read.
type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }
