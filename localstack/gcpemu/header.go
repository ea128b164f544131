package gcpemu

import (
	"net/url"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
)

// checkHeader holds x-goog-request-params against the request, as Google's routing
// does (AIP-4222), and asks for x-goog-api-client, which every generated client sends.
func (c *call) checkHeader(in proto.Message) error {
	field, value := route(in)
	if got := c.metadata.Get("x-goog-request-params"); !routes(got, field, value) {
		return refuse(codes.InvalidArgument, "x-goog-request-params %q does not say %s=%s", got, field, url.QueryEscape(value))
	}
	if len(c.metadata.Get("x-goog-api-client")) == 0 && !c.lenient() {
		return refuse(codes.InvalidArgument, "no x-goog-api-client: every generated client sends it")
	}
	return nil
}

func routes(headers []string, field, value string) bool {
	for _, text := range headers {
		if params, err := url.ParseQuery(text); err == nil && params.Has(field) && params.Get(field) == value {
			return true
		}
	}
	return false
}
