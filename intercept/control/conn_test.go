package control

import (
	"errors"
	"io/fs"
	"net"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/mprog"
)

// connect returns one end of a connection whose other end answers.
func connect(t *testing.T, handle Handler) *Conn {
	near, far := net.Pipe()
	other := Open(far, handle)
	c := Open(near, func(int, any) (any, error) { return nil, nil })
	t.Cleanup(func() {
		_ = c.Close()
		_ = other.Close()
	})
	return c
}

// What code can ask of an error on one side, it can ask on the other.
func TestErrors(t *testing.T) {
	refusal := &mprog.Error{Op: mprog.OpProgAttach, Errno: mprog.ESTALE, Rule: "revision/stale", Detail: "expected 1"}
	for _, c := range []struct {
		name string
		err  error
		is   []error
	}{
		{"refusal", refusal, []error{mprog.ESTALE}},
		{"unsupported", errors.Join(mprog.ErrUnsupported), []error{mprog.ErrUnsupported}},
		{"closed", fs.ErrClosed, []error{fs.ErrClosed}},
		{"errno below words", errors.Join(errors.New("words"), mprog.ENOSPC), []error{mprog.ENOSPC}},
		{"words", errors.New("words"), nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := connect(t, func(int, any) (any, error) { return nil, c.err }).Ask(0, Thread{TID: 1})
			require.EqualError(t, err, c.err.Error())
			for _, target := range c.is {
				require.ErrorIs(t, err, target)
			}
			var back *mprog.Error
			if errors.As(c.err, new(*mprog.Error)) {
				require.ErrorAs(t, err, &back)
				require.Equal(t, refusal, back)
			}
		})
	}
}

// Arrays of a query stay what they are: absent, empty, long.
func TestQueryArrays(t *testing.T) {
	for _, r := range []mprog.QueryRequest{
		{}, {ProgIDs: []uint32{}}, {Count: 3, ProgIDs: make([]uint32, 3), LinkAttachFlags: make([]uint32, 4)},
	} {
		var came any
		c := connect(t, func(kernel int, request any) (any, error) {
			require.Equal(t, 3, kernel)
			came = request
			return nil, nil
		})
		sent := Call{RemoteCall: fake.RemoteCall{Op: mprog.OpProgQuery, Request: r}}
		_, err := c.Ask(3, sent)
		require.NoError(t, err)
		require.Equal(t, sent, came)
	}
}

// An answer that cannot be said is an error, and a connection that ends
// lets nobody wait.
func TestNobodyWaits(t *testing.T) {
	type unsaid struct{ C chan int }
	_, err := connect(t, func(int, any) (any, error) { return unsaid{}, nil }).Ask(0, Thread{})
	require.ErrorContains(t, err, "unsaid")

	asked := make(chan struct{})
	c := connect(t, func(int, any) (any, error) {
		close(asked)
		select {}
	})
	done := make(chan error)
	go func() {
		_, err := c.Ask(0, Thread{})
		done <- err
	}()
	<-asked
	require.NoError(t, c.Close())
	require.ErrorIs(t, <-done, ErrClosed)
	_, err = c.Ask(0, Thread{})
	require.ErrorIs(t, err, ErrClosed)
}
