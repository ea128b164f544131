package awskms

import (
	"context"
	"errors"
	"time"

	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/smithy-go/middleware"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/providers/pace"
)

// paced is a step of the SDK's in which a call waits for its quotas. It comes in each
// of a read's tries, before anything in a request is of a time: credentials, date and
// signature are those of when it leaves.
type paced []*pace.Pacer

// into puts the step into a client's.
func (p paced) into(stack *middleware.Stack) error {
	return stack.Finalize.Insert(p, "Retry", middleware.After)
}

// ID implements middleware.FinalizeMiddleware.
func (p paced) ID() string { return "KeyferryPace" }

// HandleFinalize implements middleware.FinalizeMiddleware.
func (p paced) HandleFinalize(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (middleware.FinalizeOutput, middleware.Metadata, error) {
	name := awsmiddleware.GetOperationName(ctx)
	for _, one := range p {
		if err := one.Wait(ctx, name); err != nil {
			return middleware.FinalizeOutput{}, middleware.Metadata{}, err
		}
	}
	out, meta, err := next.HandleFinalize(ctx, in)
	for _, one := range p {
		told(ctx, one, name, err)
	}
	return out, meta, err
}

// told says what became of a call. One that was not answered, or had no credentials to
// be sent with, says nothing of quotas.
func told(ctx context.Context, p *pace.Pacer, name string, err error) {
	switch {
	case err == nil:
		p.Answered(name)
	case within(err, "STS", "AssumeRole"):
	case kindOf(err) == broker.Throttled:
		p.Throttled(name, afterIn(ctx))
	case kindOf(err) != "" && !errors.Is(err, context.Canceled):
		p.Answered(name)
	}
}

// afterIn is when a throttled call may be made again, as its answer said.
func afterIn(ctx context.Context) time.Duration {
	if rec, ok := ctx.Value(recordKey{}).(*record); ok {
		return rec.retryAfter
	}
	return 0
}
