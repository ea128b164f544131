package gcpemu

import (
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/keyferry/keyferry/localstack/faults"
)

// refusal is what a fault rule asks for, in Google's words; permission is the RPC's.
func refusal(r faults.Refusal, permission, resource string) error {
	var err error
	switch r.Kind {
	case faults.Throttle:
		err = exhausted("a fault rule")
	case faults.Deny:
		err = denied(permission, resource)
	case faults.Expire:
		err = unauthenticated("ACCESS_TOKEN_EXPIRED", badToken)
	default:
		err = refuse(codeNamed(r.Code), "failed by a fault rule")
	}
	if r.Message == "" {
		return err
	}
	s := status.Convert(err).Proto()
	s.Message = r.Message
	return status.ErrorProto(s)
}

// exhausted is over quota.
func exhausted(metric string) error {
	return refuse(codes.ResourceExhausted, "Quota exceeded for quota metric '%s' of service 'cloudkms.googleapis.com'.", metric)
}
