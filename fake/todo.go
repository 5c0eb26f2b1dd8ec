package fake

import "github.com/nkconform/nkconform/mprog"

// Not modelled yet.

func (*Process) ProgFDByID(mprog.IDRequest) (uint32, error) { return 0, mprog.ErrUnsupported }
func (*Process) LinkFDByID(mprog.IDRequest) (uint32, error) { return 0, mprog.ErrUnsupported }
func (*Process) ProgNextID(mprog.IDRequest) (uint32, error) { return 0, mprog.ErrUnsupported }
func (*Process) LinkNextID(mprog.IDRequest) (uint32, error) { return 0, mprog.ErrUnsupported }
func (*Process) ObjPin(mprog.PinRequest) error              { return mprog.ErrUnsupported }
func (*Process) ObjGet(mprog.GetRequest) (uint32, error)    { return 0, mprog.ErrUnsupported }
func (*Process) Command(mprog.CommandRequest) error         { return mprog.ErrUnsupported }
func (*Process) Unlink(string) error                        { return mprog.ErrUnsupported }
func (*Process) Dup(uint32) (uint32, error)                 { return 0, mprog.ErrUnsupported }

func (*Kernel) NewNetns() (mprog.Netns, error)                      { return 0, mprog.ErrUnsupported }
func (*Kernel) MoveDevice(uint32, mprog.Netns) (uint32, error)      { return 0, mprog.ErrUnsupported }
func (*Kernel) NewProcess(mprog.ProcessSpec) (mprog.Process, error) { return nil, mprog.ErrUnsupported }
func (*Kernel) Transmit(uint32) (mprog.Delivery, error) {
	return mprog.Delivery{}, mprog.ErrUnsupported
}
