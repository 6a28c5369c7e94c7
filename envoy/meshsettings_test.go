package envoy_test

import (
	"slices"
	"time"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	authzv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/ext_authz/v3"
	managerv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/doorward/doorward/internal/testenv"
)

// What is documented of the ext_authz filter that four control planes make, which
// have no translator that runs here. What is not documented is as harsh as it may
// be: headers joined, 403 where doorward fails, 10 s, the route chosen again.
func byHand(b *testenv.Bootstrap) {
	service := b.Authz.GetGrpcService()
	service.RetryPolicy, service.Timeout = nil, durationpb.New(10*time.Second)
	b.Authz.EncodeRawHeaders, b.Authz.ValidateMutations, b.Authz.DecoderHeaderMutationRules = false, false, nil
	b.Authz.StatusOnError = &typev3.HttpStatus{Code: typev3.StatusCode_Forbidden}
	b.Authz.ClearRouteCache = true
}

func contour(b *testenv.Bootstrap) {
	byHand(b)
	b.Authz.IncludePeerCertificate = true
	b.Authz.GetGrpcService().Timeout = durationpb.New(time.Second)
	route := b.Host.GetRoutes()[len(b.Host.GetRoutes())-1]
	b.Host.Routes = []*routev3.Route{route} // one, for every path
	route.TypedPerFilterConfig = testenv.ContextExtensions(map[string]string{"resource": "weather"})
}

func withBody(b *testenv.Bootstrap, asBytes bool) {
	b.Authz.WithRequestBody = &authzv3.BufferSettings{MaxRequestBytes: 65535, PackAsBytes: asBytes}
}

func externalAuth(b *testenv.Bootstrap) {
	byHand(b)
	withBody(b, false)
	b.Authz.GetWithRequestBody().AllowPartialMessage = true // "must be truncated"
}

func kgateway(b *testenv.Bootstrap) {
	byHand(b)
	withBody(b, true)
	b.Host.GetRoutes()[len(b.Host.GetRoutes())-1].TypedPerFilterConfig = testenv.ContextExtensions(map[string]string{"resource": "weather"})
}

func emissary(b *testenv.Bootstrap) {
	byHand(b)
	withBody(b, false)
}

func withoutCORS(b *testenv.Bootstrap) {
	b.Manager.HttpFilters = slices.DeleteFunc(b.Manager.GetHttpFilters(), func(f *managerv3.HttpFilter) bool {
		return f.GetName() == "envoy.filters.http.cors"
	})
}
