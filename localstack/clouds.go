package localstack

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/keyferry/keyferry/localstack/awsemu"
)

// Config says which clouds to start.
type Config struct {
	AWS        awsemu.Config // our AWS KMS; only Now is required
	Offset     time.Duration // how far the emulators' clocks are ahead of real time
	LocalStack *Options      // LocalStack beside them; nil none
}

// Clouds are all that was started.
type Clouds struct {
	AWS        *awsemu.Server
	Ready      time.Duration // what our emulators took, LocalStack not counted
	LocalStack *LocalStack   // nil if it was not asked for
}

// Start starts our emulators, and LocalStack if it is asked for, and returns when
// all of them answer. They run until Close, or until ctx ends.
func Start(ctx context.Context, c Config) (*Clouds, error) {
	begun := c.AWS.Now()
	srv, err := awsemu.Start(ctx, c.AWS)
	if err != nil {
		return nil, fmt.Errorf("start the AWS emulator: %w", err)
	}
	clouds := &Clouds{AWS: srv}
	if c.Offset != 0 {
		if _, err := srv.Admin().SetOffset(ctx, c.Offset); err != nil {
			return nil, errors.Join(fmt.Errorf("set the emulators' clock: %w", err), clouds.Close())
		}
	}
	clouds.Ready = c.AWS.Now().Sub(begun)
	if c.LocalStack != nil {
		if clouds.LocalStack, err = StartAWS(ctx, *c.LocalStack); err != nil {
			return nil, errors.Join(err, clouds.Close())
		}
	}
	return clouds, nil
}

// Close stops all that Start started and waits for it.
func (c *Clouds) Close() error {
	return errors.Join(c.AWS.Close(), c.LocalStack.Stop())
}
