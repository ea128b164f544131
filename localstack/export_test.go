package localstack

import "context"

// Launch tells how a LocalStack would be started on a port, without starting it.
func Launch(ctx context.Context, cache string, port int) (args []string, err error) {
	l, err := choose(ctx, cache, port)
	return l.args, err
}

// StartIn is StartAWS without looking for one that runs.
func StartIn(ctx, ready context.Context, cache string) (*LocalStack, error) {
	return start(ctx, ready, cache)
}
