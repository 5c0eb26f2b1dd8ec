package kernel

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nkconform/nkconform/mprog"
)

// Whatever an environment has been used for, the next user of it sees nothing.
func TestRenewed(t *testing.T) {
	needBPFFS(t)
	pool := &Pool{}
	first, err := pool.New()
	if err != nil {
		skipOrFail(t, err, ErrUnavailable)
	}
	attach := func(env mprog.Environment, ifindex uint32) (prog, fd uint32) {
		prog, err := env.LoadProg(mprog.ProgSpec{Name: "a"})
		require.NoError(t, err)
		linked, err := env.LoadProg(mprog.ProgSpec{Name: "b"})
		require.NoError(t, err)
		require.NoError(t, env.ProgAttach(mprog.AttachRequest{
			TargetIfindex: ifindex, AttachType: mprog.TCXIngress, AttachFD: prog}))
		fd, err = env.LinkCreate(mprog.LinkCreateRequest{
			TargetIfindex: ifindex, AttachType: mprog.TCXIngress, ProgFD: linked})
		require.NoError(t, err)
		return prog, fd
	}
	device, _, err := first.AddDevice(mprog.DeviceSpec{Kind: mprog.AnyDevice, Name: "d0"})
	require.NoError(t, err)
	prog, link := attach(first, loopback)
	attach(first, device)
	process, err := first.NewProcess(mprog.ProcessSpec{})
	require.NoError(t, err)
	require.NoError(t, first.ObjPin(mprog.PinRequest{Path: mprog.BPFFS + "/l", FD: link}))
	require.NoError(t, first.Close(0))
	require.NoError(t, first.Shutdown())

	second, err := pool.New()
	require.NoError(t, err)
	require.Same(t, first.(leased).Kernel, second.(leased).Kernel, "the pool has one environment")
	query, err := second.ProgQuery(mprog.QueryRequest{TargetIfindex: loopback, AttachType: mprog.TCXIngress})
	require.NoError(t, err)
	require.Equal(t, mprog.QueryResult{Revision: 1}, query)
	for _, fd := range []uint32{prog, link} {
		require.ErrorIs(t, second.Close(fd), mprog.EBADF)
	}
	_, err = process.ObjectInfo(prog)
	require.ErrorContains(t, err, "exited")
	_, err = second.ObjGet(mprog.GetRequest{Path: mprog.BPFFS + "/l"})
	require.ErrorIs(t, err, mprog.ENOENT)
	_, _, err = second.AddDevice(mprog.DeviceSpec{Kind: mprog.AnyDevice, Name: "d0"})
	require.NoError(t, err, "the name is free again")
	require.NoError(t, second.Close(0), "standard input is open again")
	require.NoError(t, second.Shutdown())
	require.NoError(t, pool.Close())
}

func BenchmarkRenew(b *testing.B) {
	k, err := New()
	if err != nil {
		skipOrFail(b, err, ErrUnavailable)
	}
	defer k.Shutdown()
	for b.Loop() {
		if err := k.Renew(); err != nil {
			b.Fatal(err)
		}
	}
}
