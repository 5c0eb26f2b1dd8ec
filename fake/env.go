package fake

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/nkconform/nkconform/mprog"
)

// Supports returns nil for a feature of this kernel, and otherwise an error
// that wraps [mprog.ErrUnsupported].
func (k *Kernel) Supports(f mprog.Feature) error {
	k = k.kernel // of a rival, the machine
	switch {
	case !slices.Contains(mprog.Features, f):
		return fmt.Errorf("%w: unknown feature %s", mprog.ErrUnsupported, f)
	case !k.missing[f]:
		return nil
	case k.release.has(f):
		return fmt.Errorf("%w: this kernel is built without %s", mprog.ErrUnsupported, f)
	}
	return fmt.Errorf("%w: Linux %s has no %s", mprog.ErrUnsupported, k.running, f)
}

// AddDevice creates a device or a pair: EEXIST when a name is taken, ERANGE when
// it is too long, EINVAL when it is no name. Of a pair the peer is registered
// first, as the kernel does it, and gets the lower ifindex.
// [mprog.AnyDevice] is a kind of its own here.
func (k *Kernel) AddDevice(spec mprog.DeviceSpec) (ifindex, peer uint32, err error) {
	pair, err := do(k.Process, mprog.OpAddDevice, spec, (*Process).addDevice)
	return pair[0], pair[1], err
}

// errKept says why a kernel does not make, move or delete devices itself.
func errKept(op mprog.Op) error {
	return fmt.Errorf("%s: %w: this kernel answers a program, which would not see it: take a kernel of intercept.NewT", op, mprog.ErrUnsupported)
}

// addDevice returns the ifindexes of a device and its peer.
func (p *Process) addDevice(spec mprog.DeviceSpec) (pair [2]uint32, err error) {
	k := p.kernel
	if k.kept {
		return pair, errKept(mprog.OpAddDevice)
	}
	names := []string{spec.Peer, spec.Name}
	switch spec.Kind {
	case mprog.Netkit:
		if spec.Peer == "" {
			return p.addSingle(spec)
		}
	case mprog.Veth:
	case mprog.Dummy, mprog.AnyDevice:
		names = names[1:]
	default:
		return pair, fmt.Errorf("%s: %w: kind %q", mprog.OpAddDevice, mprog.ErrUnsupported, spec.Kind)
	}
	if f := mprog.Feature(spec.Kind); k.missing[f] { // features are named like the kinds
		return pair, fmt.Errorf("%s: %w", mprog.OpAddDevice, k.Supports(f))
	}
	for i, name := range names {
		if err := p.net.checkName(name, names[:i]); err != nil {
			return pair, err
		}
	}
	if len(names) == 1 {
		d := p.net.register(spec.Name, spec.Kind)
		return [2]uint32{d.ifindex}, k.stageDevices(d, nil)
	}
	b := p.net.register(spec.Peer, spec.Kind)
	a := p.net.register(spec.Name, spec.Kind)
	a.peer, b.peer, a.primary = b, a, true
	a.policy, b.policy = spec.Policy, spec.PeerPolicy
	return [2]uint32{a.ifindex, b.ifindex}, k.stageDevices(a, b)
}

// addSingle makes a netkit device without a peer (netkit_new_link): EOPNOTSUPP
// with a policy other than forward.
func (p *Process) addSingle(spec mprog.DeviceSpec) (pair [2]uint32, err error) {
	for _, f := range []mprog.Feature{mprog.FeatureNetkit, mprog.FeatureSingle} {
		if p.kernel.missing[f] {
			return pair, fmt.Errorf("%s: %w", mprog.OpAddDevice, p.kernel.Supports(f))
		}
	}
	if err := p.net.checkName(spec.Name, nil); err != nil {
		return pair, err
	}
	if spec.Policy != mprog.Forward || spec.PeerPolicy != mprog.Forward {
		return pair, refuse(deviceSinglePolicy, "device %s would drop, or its peer, which it has not", spec.Name)
	}
	d := p.net.register(spec.Name, spec.Kind)
	d.primary, d.single = true, true
	return [2]uint32{d.ifindex}, p.kernel.stageDevices(d, nil)
}

// checkName checks the name of a device to be made; taken are those of devices
// made with it.
func (n *netns) checkName(name string, taken []string) error {
	if len(name) >= nameSize {
		return refuse(deviceNameLong, "name %q has %d bytes", name, len(name))
	}
	if !validDeviceName(name) {
		return refuse(deviceName, "name %q", name)
	}
	if n.byName(name) != nil || slices.Contains(taken, name) {
		return refuse(deviceTaken, "name %q", name)
	}
	return nil
}

// nameSize is IFNAMSIZ and BPF_OBJ_NAME_LEN, with the final zero byte.
const nameSize = 16

// validDeviceName is dev_valid_name.
func validDeviceName(s string) bool {
	return s != "" && s != "." && s != ".." && !strings.ContainsAny(s, "/: \t\n\v\f\r")
}

// DeleteDevice deletes a device, and its peer if it has one; ENODEV when there
// is none, EOPNOTSUPP for lo.
func (k *Kernel) DeleteDevice(ifindex uint32) error {
	return do0(k.Process, mprog.OpDeleteDevice, ifindex, (*Process).deleteDevice)
}

func (p *Process) deleteDevice(ifindex uint32) error {
	if p.kernel.kept {
		return errKept(mprog.OpDeleteDevice)
	}
	d := p.net.devices[ifindex]
	switch {
	case d == nil:
		return refuse(deviceAbsent, "no device has ifindex %d", ifindex)
	case d.kind == loopback:
		return refuse(deviceLoopback, "ifindex %d is %s", ifindex, d.name)
	}
	p.kernel.unstage(d)
	d.remove()
	return p.kernel.breach
}

// LoadProg loads a program. Nothing is verified but type and name, EINVAL. Types
// that exist but are not named in package mprog are unsupported. Without CAP_BPF,
// or without CAP_NET_ADMIN unless it is a SOCKET_FILTER, EPERM.
func (p *Process) LoadProg(spec mprog.ProgSpec) (fd uint32, err error) {
	return do(p, mprog.OpProgLoad, spec, (*Process).loadProg)
}

// loadProg is bpf_prog_load, but for the verifier.
func (p *Process) loadProg(spec mprog.ProgSpec) (fd uint32, err error) {
	if err := p.mayLoad(spec.Type); err != nil {
		return 0, err
	}
	switch {
	case spec.Type == 0:
		spec.Type = mprog.SchedCLS
	case spec.Type == mprog.SchedCLS, spec.Type == mprog.SocketFilter, spec.Type == mprog.XDP:
	case spec.Type.Cgroup():
		if err := verifyCgroup(&spec); err != nil {
			return 0, err
		}
	default:
		if spec.Type <= lastProgType {
			return 0, fmt.Errorf("%s: %w: type %d", mprog.OpProgLoad, mprog.ErrUnsupported, spec.Type)
		}
		return 0, refuse(progTypeUnknown, "type %d", spec.Type)
	}
	if !validProgName(spec.Name) {
		return 0, refuse(progName, "name %q", spec.Name)
	}
	prog := p.newProg(spec)
	if p.kernel.code != nil {
		if err := p.kernel.code.NewProg(prog.id, spec); err != nil {
			return 0, err
		}
	}
	return p.open(prog), nil
}

// lastProgType is BPF_PROG_TYPE_NETFILTER.
const lastProgType mprog.ProgType = 32

// validProgName is bpf_obj_name_cpy.
func validProgName(s string) bool {
	bad := func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' || r == '.')
	}
	return len(s) < nameSize && !strings.ContainsFunc(s, bad)
}

// Shutdown ends every process, removes every pin and deletes every device. It
// fails only when it has a trace to write, see [TraceDir], and cannot.
func (k *Kernel) Shutdown() error {
	k = k.kernel
	err := k.leaveTrace()
	if r := k.remote(); r != nil {
		return errors.Join(err, r.Shutdown())
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, p := range append([]*Process{k.Process}, k.children...) {
		_ = p.exit(none{})
	}
	for path, f := range k.fs.pins {
		delete(k.fs.pins, path)
		f.put()
	}
	for _, n := range k.namespaces {
		for _, d := range n.devices {
			k.unstage(d)
			d.unregister()
		}
	}
	if k.code != nil {
		err = errors.Join(err, k.breach, k.code.Close())
	}
	return err
}
