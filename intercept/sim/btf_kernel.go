package sim

// KernelTypes is BTF of the kernel's or of one of its modules.
type KernelTypes struct {
	Name string        // vmlinux, or the module's
	Read func() []byte // which is asked for once, when somebody does; nil if it cannot be read
}

// addKernelTypes gives the kernel's own BTF the first ids, as a kernel does that has
// modules from its start. It stays for ever.
func (s *Sim) addKernelTypes() {
	if s.symbols == nil {
		return
	}
	for _, t := range s.symbols.Types() {
		b := &btf{sim: s, refs: 1, name: t.Name, kernel: true, read: t.Read}
		b.id = s.btfs.add(b)
	}
}

// vmlinux is the name of the kernel's own BTF, as opposed to its modules'.
const vmlinux = "vmlinux"

// vmlinuxID is the id of the kernel's own BTF, 0 if there is none.
func (s *Sim) vmlinuxID() uint32 {
	for id, b := range s.btfs.byID {
		if b.kernel && b.name == vmlinux {
			return id
		}
	}
	return 0
}

// bytes are the BTF.
func (b *btf) bytes() []byte {
	if b.read != nil {
		b.data, b.read = b.read(), nil
		b.sim.tellTypes()
	}
	return b.data
}

// tellTypes says whose types they are, if they are not those of the release.
func (s *Sim) tellTypes() {
	if text := s.symbols.OtherTypes(s.kernel.Running()); text != "" {
		s.warn(text)
	}
}

// targetTypes is the id of the BTF that has what a program is attached to.
func (k *call) targetTypes(p *program) uint32 {
	if p.targetTypes != 0 {
		return p.targetTypes
	}
	if target := k.programs[p.attachProg]; target != nil && target.btf != nil {
		return target.btf.id
	}
	return k.vmlinuxID()
}
