package fake_test

import (
	"errors"
	"fmt"
	"syscall"

	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/mprog"
)

// The revision of an emptied netkit hook goes on, although a query shows 1.
func Example() {
	k := fake.New()
	nk0, _, _ := k.AddDevice(mprog.DeviceSpec{Kind: mprog.Netkit, Name: "nk0", Peer: "nk1"})
	prog, _ := k.LoadProg(mprog.ProgSpec{Name: "a"})
	attach := mprog.AttachRequest{TargetIfindex: nk0, AttachFD: prog, AttachType: mprog.NetkitPrimary}
	fmt.Println(k.ProgAttach(attach))
	fmt.Println(k.ProgDetach(mprog.DetachRequest(attach)))
	res, _ := k.ProgQuery(mprog.QueryRequest{TargetIfindex: nk0, AttachType: mprog.NetkitPrimary})
	fmt.Println("revision", res.Revision)

	attach.ExpectedRevision = res.Revision
	err := k.ProgAttach(attach)
	fmt.Println(err)
	fmt.Println(errors.Is(err, syscall.ESTALE))
	// Output:
	// <nil>
	// <nil>
	// revision 1
	// prog attach: expected revision 1, hook is at 3: ESTALE
	// true
}
