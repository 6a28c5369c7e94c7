package envoy_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// exchangeHTTP2 sends a request over HTTP/2, frame by frame, so that no library
// changes its fields.
func (h *environment) exchangeHTTP2(ctx context.Context, a clientRequest) (reply, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", h.envoy.Address())
	if err != nil {
		return reply{}, err
	}
	defer func() { _ = conn.Close() }()
	if deadline, has := ctx.Deadline(); has {
		_ = conn.SetDeadline(deadline)
	}
	if _, err := conn.Write([]byte(http2.ClientPreface)); err != nil {
		return reply{}, err
	}
	framer := http2.NewFramer(conn, conn)
	framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	if err := framer.WriteSettings(); err != nil {
		return reply{}, err
	}
	if err := a.writeHTTP2(framer); err != nil {
		return reply{}, err
	}
	got, err := readHTTP2(framer)
	got.client = conn.LocalAddr().String()
	return got, err
}

func (a clientRequest) writeHTTP2(framer *http2.Framer) error {
	fields := [][2]string{
		{":method", or(a.method, "GET")},
		{":scheme", "http"},
		{":authority", or(a.host, "mcp.example.com")},
		{":path", or(a.path, "/mcp")},
	}
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	alone := a.body == "" && len(a.trailers) == 0
	if err := writeFields(framer, encoder, &block, append(fields, a.headers...), alone); err != nil || alone {
		return err
	}
	if err := framer.WriteData(1, len(a.trailers) == 0, []byte(a.body)); err != nil || len(a.trailers) == 0 {
		return err
	}
	return writeFields(framer, encoder, &block, a.trailers, true)
}

// writeFields writes a block of fields, in as many frames as it needs.
func writeFields(framer *http2.Framer, encoder *hpack.Encoder, block *bytes.Buffer, fields [][2]string, last bool) error {
	const frame = 16 << 10
	for _, field := range fields {
		if err := encoder.WriteField(hpack.HeaderField{Name: strings.ToLower(field[0]), Value: field[1]}); err != nil {
			return err
		}
	}
	first := block.Next(frame)
	err := framer.WriteHeaders(http2.HeadersFrameParam{
		StreamID: 1, BlockFragment: first, EndStream: last, EndHeaders: block.Len() == 0,
	})
	for err == nil && block.Len() > 0 {
		more := block.Next(frame)
		err = framer.WriteContinuation(1, block.Len() == 0, more)
	}
	return err
}

func readHTTP2(framer *http2.Framer) (reply, error) {
	got := reply{header: http.Header{}}
	for {
		frame, err := framer.ReadFrame()
		if err != nil {
			return got, err
		}
		switch f := frame.(type) {
		case *http2.SettingsFrame:
			if !f.IsAck() {
				err = framer.WriteSettingsAck()
			}
		case *http2.MetaHeadersFrame:
			got.status, err = strconv.Atoi(f.PseudoValue("status"))
			for _, field := range f.RegularFields() {
				got.header.Add(field.Name, field.Value)
			}
		case *http2.DataFrame:
			got.body += string(f.Data())
		case *http2.RSTStreamFrame:
			err = fmt.Errorf("the stream was reset: %v", f.ErrCode)
		case *http2.GoAwayFrame:
			err = fmt.Errorf("the connection was ended: %v", f.ErrCode)
		}
		if err != nil {
			return got, err
		}
		if frame.Header().StreamID == 1 && frame.Header().Flags.Has(http2.FlagDataEndStream) {
			return got, nil
		}
	}
}

func (h *environment) sendHTTP2(t *testing.T, a clientRequest) reply {
	t.Helper()
	got, err := h.exchangeHTTP2(withPatience(t), a)
	if err != nil {
		t.Fatal(err)
	}
	return got
}
