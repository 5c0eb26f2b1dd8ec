//go:build amd64 || arm64

package intercept

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	ebpflink "github.com/cilium/ebpf/link"
	"github.com/stretchr/testify/require"
	"github.com/vishvananda/netlink"

	"github.com/nkconform/nkconform/internal/doctor"
)

// What a netkit pair of ours carries, beside a veth pair of the running kernel, with
// a program of 20 instructions at either end of the first.
func BenchmarkTraffic(b *testing.B) {
	doctor.Need(b, "tun")
	out := output(b, target(b, "", "speed"))
	for b.Loop() {
	}
	b.ReportMetric(0, "ns/op")
	for line := range strings.Lines(out) {
		fields := strings.Fields(line)
		require.Len(b, fields, 2, line)
		v, err := strconv.ParseFloat(fields[1], 64)
		require.NoError(b, err)
		b.ReportMetric(v, fields[0])
	}
}

// counter is a program of 20 instructions that counts in a map and lets all pass.
func counter(counts *ebpf.Map) *ebpf.ProgramSpec {
	return &ebpf.ProgramSpec{Name: "counter", Type: ebpf.SchedCLS, License: "GPL", Instructions: asm.Instructions{
		asm.Mov.Reg(asm.R6, asm.R1),
		asm.LoadMem(asm.R7, asm.R6, 0, asm.Word),
		asm.LoadMem(asm.R8, asm.R6, 16, asm.Word),
		asm.StoreImm(asm.RFP, -4, 0, asm.Word),
		asm.LoadMapPtr(asm.R1, counts.FD()),
		asm.Mov.Reg(asm.R2, asm.RFP), asm.Add.Imm(asm.R2, -4),
		asm.FnMapLookupElem.Call(),
		asm.JEq.Imm(asm.R0, 0, "out"),
		asm.Mov.Imm(asm.R1, 1), asm.StoreXAdd(asm.R0, asm.R1, asm.DWord),
		asm.LoadMem(asm.R2, asm.R6, 76, asm.Word), asm.LoadMem(asm.R3, asm.R6, 80, asm.Word),
		asm.Mov.Reg(asm.R4, asm.R2), asm.Add.Imm(asm.R4, linkHeader),
		asm.JGT.Reg(asm.R4, asm.R3, "out"),
		asm.LoadMem(asm.R5, asm.R2, 12, asm.Half),
		asm.Mov.Imm(asm.R0, 0).WithSymbol("out"), asm.Mov.Imm(asm.R0, 0), asm.Return(),
	}}
}

func speedTarget() error {
	for i, make := range []func(*container, int, string) error{vethPair, netkitPair} {
		kind := []string{"veth", "netkit"}[i]
		c, tid, err := newContainer()
		if err != nil {
			return err
		}
		subnet := fmt.Sprintf("10.%d.0.", 20+i)
		if err := make(c, tid, subnet); err != nil {
			return fmt.Errorf("%s: %w", kind, err)
		}
		if err := measure(c, kind, []string{"v1", "n1"}[i], subnet); err != nil {
			return fmt.Errorf("%s: %w", kind, err)
		}
	}
	return nil
}

func vethPair(c *container, tid int, subnet string) error {
	attrs := netlink.NewLinkAttrs()
	attrs.Name = "v0"
	veth := netlink.NewVeth(attrs)
	veth.PeerName, veth.PeerNamespace = "v1", netlink.NsPid(tid)
	if err := netlink.LinkAdd(veth); err != nil {
		return err
	}
	return addressed(c, "v0", "v1", subnet)
}

func netkitPair(c *container, tid int, subnet string) error {
	attrs, peer := netlink.NewLinkAttrs(), netlink.NewLinkAttrs()
	attrs.Name, peer.Name = "n0", "n1"
	peer.Namespace = netlink.NsPid(tid)
	nk := &netlink.Netkit{LinkAttrs: attrs, Scrub: 1, PeerScrub: 1}
	nk.SetPeerAttrs(&peer)
	if err := netlink.LinkAdd(nk); err != nil {
		return err
	}
	l, err := netlink.LinkByName("n0")
	if err != nil {
		return err
	}
	counts, err := ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.Array, KeySize: 4, ValueSize: 8, MaxEntries: 1})
	if err != nil {
		return err
	}
	prog, err := ebpf.NewProgram(counter(counts))
	if err != nil {
		return err
	}
	for _, at := range []ebpf.AttachType{ebpf.AttachNetkitPrimary, ebpf.AttachNetkitPeer} {
		l, err := ebpflink.AttachNetkit(ebpflink.NetkitOptions{Interface: l.Attrs().Index, Program: prog, Attach: at})
		if err != nil {
			return err
		}
		kept = append(kept, l)
	}
	return addressed(c, "n0", "n1", subnet)
}

// kept are links that end with the process.
var kept []ebpflink.Link

func addressed(c *container, outside, inside, subnet string) error {
	err := c.do(func() error {
		l, err := netlink.LinkByName(inside)
		if err != nil {
			return err
		}
		return furnish(l, subnet+"2/24")
	})
	l, linkErr := netlink.LinkByName(outside)
	if err := errors.Join(err, linkErr); err != nil {
		return err
	}
	return furnish(l, subnet+"1/24")
}

const period = time.Second

func measure(c *container, kind, inside, subnet string) error {
	var server, echo net.Listener
	var sink net.PacketConn
	err := c.do(func() (err error) {
		if server, err = net.Listen("tcp4", subnet+"2:1000"); err != nil {
			return err
		}
		if echo, err = net.Listen("tcp4", subnet+"2:1001"); err != nil {
			return err
		}
		sink, err = net.ListenPacket("udp4", subnet+"2:1002")
		return err
	})
	if err != nil {
		return err
	}
	received := make(chan int64)
	go func() {
		conn, err := server.Accept()
		if err != nil {
			return
		}
		n, _ := io.Copy(io.Discard, conn)
		received <- n
	}()
	conn, err := net.Dial("tcp4", subnet+"2:1000")
	if err != nil {
		return err
	}
	begin := time.Now()
	data := make([]byte, 1<<17)
	for time.Since(begin) < period {
		if _, err := conn.Write(data); err != nil {
			return err
		}
	}
	conn.Close()
	n := <-received
	fmt.Printf("%s-Gbit/s %.3f\n", kind, float64(n)*8/1e9/time.Since(begin).Seconds())

	go func() {
		conn, err := echo.Accept()
		if err != nil {
			return
		}
		_, _ = io.Copy(conn, conn)
	}()
	if conn, err = net.Dial("tcp4", subnet+"2:1001"); err != nil {
		return err
	}
	one, trips := make([]byte, 1), 0
	for begin = time.Now(); time.Since(begin) < period; trips++ {
		if _, err := conn.Write(one); err != nil {
			return err
		}
		if _, err := conn.Read(one); err != nil {
			return err
		}
	}
	conn.Close()
	fmt.Printf("%s-us/trip %.1f\n", kind, time.Since(begin).Seconds()*1e6/float64(trips))

	// Nobody reads the socket: it is the devices that are measured.
	arrived := func() (n uint64, err error) {
		err = c.do(func() error {
			l, err := netlink.LinkByName(inside)
			if err == nil {
				n = l.Attrs().Statistics.RxPackets
			}
			return err
		})
		return n, err
	}
	before, err := arrived()
	if err != nil {
		return err
	}
	if conn, err = net.Dial("udp4", subnet+"2:1002"); err != nil {
		return err
	}
	for begin = time.Now(); time.Since(begin) < period; {
		if _, err := conn.Write(one); err != nil {
			return err
		}
	}
	after, err := arrived()
	if err != nil {
		return err
	}
	fmt.Printf("%s-frames/s %.0f\n", kind, float64(after-before)/time.Since(begin).Seconds())
	return errors.Join(conn.Close(), sink.Close())
}
