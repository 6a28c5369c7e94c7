package service

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
)

// page is what a handler answers to a GET, rendered once for all clients that
// ask while another rendering is under way, and held once for all that read it.
// No client gets a rendering that began before its request.
type page struct {
	handler http.Handler

	mu   sync.Mutex
	next *rendering    // has not begun, or nil
	turn chan struct{} // holds one, for the rendering under way
}

// rendering is a whole answer. It does not change once done is closed.
type rendering struct {
	done    chan struct{}
	whole   bool // false: the handler panicked
	code    int  // 0: no code was written
	header  http.Header
	body    bytes.Buffer
	gzipped func() []byte // of body; made when the first client wants it
}

func newPage(handler http.Handler) *page {
	return &page{handler: handler, turn: make(chan struct{}, 1)}
}

// ServeHTTP implements http.Handler. The request decides nothing but
// whether the answer is compressed.
func (p *page) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	current := p.current()
	if !current.whole {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	body := current.body.Bytes()
	if acceptsGzip(r.Header.Values("Accept-Encoding")) {
		body = current.gzipped()
		w.Header().Set("Content-Encoding", "gzip")
	}
	w.Header().Set("Content-Type", current.header.Get("Content-Type"))
	w.Header().Set("Vary", "Accept-Encoding")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(cmp.Or(current.code, http.StatusOK))
	_, _ = w.Write(body) // a client that has gone needs no answer
}

// current joins the rendering that comes next, or begins it.
func (p *page) current() *rendering {
	p.mu.Lock()
	mine, waits := p.next, p.next != nil
	if !waits {
		mine = &rendering{done: make(chan struct{}), header: http.Header{}}
		mine.gzipped = sync.OnceValue(mine.gzip)
		p.next = mine
	}
	p.mu.Unlock()
	if waits {
		<-mine.done
		return mine
	}
	p.turn <- struct{}{}
	defer func() { <-p.turn }()
	defer close(mine.done) // also where the handler panics: those who wait get a 500
	p.mu.Lock()
	p.next = nil
	p.mu.Unlock()
	p.handler.ServeHTTP(mine, &http.Request{Method: http.MethodGet, URL: new(url.URL), Header: http.Header{}})
	mine.whole = true
	return mine
}

// Header implements http.ResponseWriter.
func (r *rendering) Header() http.Header { return r.header }

// WriteHeader implements http.ResponseWriter.
func (r *rendering) WriteHeader(code int) { r.code = code }

// Write implements http.ResponseWriter.
func (r *rendering) Write(part []byte) (int, error) {
	r.code = cmp.Or(r.code, http.StatusOK)
	return r.body.Write(part)
}

func (r *rendering) gzip() []byte {
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, _ = z.Write(r.body.Bytes()) // a buffer takes everything
	_ = z.Close()
	return packed.Bytes()
}

// acceptsGzip reads Accept-Encoding (RFC 9110, section 12.5.3): gzip by name, and
// not with a weight of zero.
func acceptsGzip(values []string) bool {
	for coding := range strings.SplitSeq(strings.Join(values, ","), ",") {
		name, weight, _ := strings.Cut(coding, ";")
		if strings.EqualFold(strings.TrimSpace(name), "gzip") {
			_, q, weighted := strings.Cut(weight, "=")
			value, err := strconv.ParseFloat(strings.TrimSpace(q), 64)
			return !weighted || err == nil && value > 0
		}
	}
	return false
}
