package awskms

import (
	"context"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// signer signs with the time of Config.Now: there is one clock in the program, and
// a wrong one shows at the first call.
type signer struct {
	signer *v4.Signer
	now    func() time.Time
}

func newSigner(now func() time.Time) signer { return signer{v4.NewSigner(), now} }

// SignHTTP signs a request (kms.HTTPSignerV4, sts.HTTPSignerV4).
func (s signer) SignHTTP( //nolint:revive // the SDK's interface
	ctx context.Context, credentials aws.Credentials, r *http.Request, payloadHash, service, region string,
	_ time.Time, options ...func(*v4.SignerOptions),
) error {
	return s.signer.SignHTTP(ctx, credentials, r, payloadHash, service, region, s.now(), options...)
}
