package admin

import (
	"context"
	"reflect"
)

// operation is one thing that can be asked over HTTP.
type operation struct {
	in, out reflect.Type // of the argument and of the result
	read    func(argument []byte) (any, error)
	run     func(ctx context.Context, a Admin, in any) (any, error)
}

func asking[In, Out any](f func(context.Context, Admin, In) (Out, error)) operation {
	return operation{
		in: reflect.TypeFor[In](), out: reflect.TypeFor[Out](),
		read: func(argument []byte) (any, error) {
			var in In
			err := decode(argument, &in)
			return in, err
		},
		run: func(ctx context.Context, a Admin, in any) (any, error) { return f(ctx, a, in.(In)) },
	}
}

func doing[In any](f func(context.Context, Admin, In) error) operation {
	return asking(func(ctx context.Context, a Admin, in In) (none, error) { return none{}, f(ctx, a, in) })
}

// perform runs the operation with a name for a caller, if it may.
func perform(ctx context.Context, a Admin, c Caller, name string, op operation, argument []byte) (any, error) {
	in, err := op.read(argument)
	if err != nil {
		return nil, err
	}
	ctx = withCaller(ctx, c)
	if c.Server {
		return op.run(ctx, a, in)
	}
	s := scopes[name]
	if err := s.admit(c, in); err != nil {
		return nil, err
	}
	out, err := op.run(ctx, a, in)
	if err != nil || s.keep == nil {
		return out, err
	}
	return s.keep(out, c), nil
}
