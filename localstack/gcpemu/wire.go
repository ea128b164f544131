package gcpemu

import (
	"cmp"
	"context"
	"errors"
	"net/http"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/protobuf/proto"

	"github.com/keyferry/keyferry/localstack/emu"
	"github.com/keyferry/keyferry/localstack/faults"
)

// serverName is what every answer's header says.
const serverName = "keyferry-emulator"

// intercept takes every request of one port to the fault engine, which has it
// performed.
func (s *Server) intercept(l *lines) grpc.UnaryServerInterceptor {
	return func(ctx context.Context, in any, info *grpc.UnaryServerInfo, _ grpc.UnaryHandler) (any, error) {
		message, ok := in.(proto.Message)
		if !ok {
			return nil, refuse(codes.Internal, "not a message: %T", in)
		}
		c := s.newCall(ctx, last(info.FullMethod))
		header := metadata.Pairs("server", serverName, "date", s.clock.Now().Format(http.TimeFormat), "x-request-id", c.id)
		_ = grpc.SetHeader(ctx, header) // only a call that has ended refuses it
		answer, err := s.engine.Do(ctx, c.exchange(message))
		switch {
		case errors.Is(err, faults.ErrAbandoned): // the connection is its other calls' too
			return nil, refuse(codes.Canceled, "%v", err)
		case err != nil:
			return nil, s.cut(ctx, l, err)
		}
		out := c.action.newAnswer()
		return out, read(answer, out)
	}
}

// cut closes the client's connection; of an answer that is cut off the header comes.
func (*Server) cut(ctx context.Context, l *lines, why error) error {
	if errors.Is(why, faults.ErrTruncated) {
		_ = grpc.SendHeader(ctx, nil) // a client that has gone is no error of ours
	}
	if p, ok := peer.FromContext(ctx); ok {
		l.cut(p.Addr.String())
	}
	return refuse(codes.Unavailable, "%v", why)
}

// newCall is a request as far as its metadata tells.
func (s *Server) newCall(ctx context.Context, rpc string) *call {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := &call{s: s, rpc: rpc, action: s.actions[rpc], id: emu.NewID()}
	c.metadata, _ = metadata.FromIncomingContext(ctx)
	c.who, c.refused = s.authenticate(c.metadata)
	return c
}

// exchange is the request for the fault engine.
func (c *call) exchange(in proto.Message) faults.Exchange {
	about := subject(in)
	return faults.Exchange{
		Call: c.identify(about, in),
		Commit: func() faults.Answer {
			out, err := c.perform(in)
			if err != nil {
				return failure(err)
			}
			return success(out)
		},
		Refuse: func(r faults.Refusal) faults.Answer {
			answer := failure(refusal(r, cmp.Or(c.action.permission, mayCreate), about))
			if r.Status != 0 {
				answer.Status = r.Status
			}
			return answer
		},
		Lie: c.lie,
	}
}
