package machine

import "bytes"

// Timers are those that are in values of maps, by where each has its struct bpf_timer.
type Timers struct{ at map[*byte]*timer }

// timer is one that has been made.
type timer struct {
	place    []byte // its struct bpf_timer
	of       uint32 // the map
	key      []byte // whose value it is in
	clock    uint64
	program  *Program // nil: no callback
	callback uint64
	starts   uint64 // only the last one counts
	active   bool   // it has not fired since
	running  bool
}

// Clocks, and flags of bpf_timer_start.
const (
	clockRealtime = 0
	clockBoot     = 7
	timerAbsolute = 1  // BPF_F_TIMER_ABS
	timerPinned   = 2  // BPF_F_TIMER_CPU_PIN
	timerSize     = 16 // sizeof(struct bpf_timer)
	busyErrno     = 16 // EBUSY
	deadlockErrno = 35 // EDEADLK
)

// End ends the timers that are in a value, which are no more (bpf_timer_cancel_and_free).
func (all *Timers) End(value []byte) {
	for place, t := range all.at {
		for at := 0; at < len(value); at += 8 {
			if &value[at] == place {
				t.active, t.program = false, nil
				delete(all.at, place)
			}
		}
	}
}

// timerAt returns the timer at an address, nil if none has been made there.
func (m *run) timerAt() (t *timer, place []byte, err error) {
	if place, err = m.bytes(m.r[1], timerSize); err != nil {
		return nil, nil, err
	}
	return m.world.Timers().at[&place[0]], place, nil
}

func (m *run) timerInit() (uint64, error) {
	t, place, err := m.timerAt()
	if err != nil {
		return 0, err
	}
	clock := m.r[3]
	switch {
	case clock != clockRealtime && clock != clockMonotonic && clock != clockBoot:
		return failed(invalid), nil
	case t != nil:
		return failed(busyErrno), nil
	}
	of, err := m.mapAt(m.r[2])
	if err != nil {
		return 0, err
	}
	key := of.Holder(&place[0])
	if key == nil {
		return 0, ErrUnknown
	}
	all := m.world.Timers()
	if all.at == nil {
		all.at = make(map[*byte]*timer)
	}
	all.at[&place[0]] = &timer{place: place, of: uint32(m.r[2]), key: key, clock: clock}
	return 0, nil
}

func (m *run) timerCallback() (uint64, error) {
	t, _, err := m.timerAt()
	if err != nil || t == nil {
		return failed(invalid), err
	}
	t.program, t.callback = m.program, m.r[2]
	return 0, nil
}

func (m *run) timerStart() (uint64, error) {
	t, _, err := m.timerAt()
	delay, flags := m.r[2], m.r[3]
	switch {
	case err != nil:
		return 0, err
	case flags&^(timerAbsolute|timerPinned) != 0, t == nil, t.program == nil:
		return failed(invalid), nil
	case flags&timerAbsolute != 0 && t.clock != clockMonotonic:
		return 0, ErrUnknown
	case flags&timerAbsolute != 0:
		delay -= min(delay, m.world.Now())
	}
	t.starts++
	t.active = true
	w, n := m.world, t.starts
	w.After(delay, func() error { return t.fire(w, n) })
	return 0, nil
}

func (m *run) timerCancel() (uint64, error) {
	t, _, err := m.timerAt()
	switch {
	case err != nil:
		return 0, err
	case t == nil:
		return failed(invalid), nil
	case t.running:
		return failed(deadlockErrno), nil
	}
	was := t.active
	t.active, t.program = false, nil
	return boolean(was), nil
}

// fire runs the callback, if nothing has happened to the timer since it was started so
// many times, nor to the value that it is in.
func (t *timer) fire(w World, starts uint64) error {
	if !t.active || t.starts != starts || t.program == nil {
		return nil
	}
	of := w.Map(t.of)
	if of == nil {
		delete(w.Timers().at, &t.place[0])
		return nil
	}
	value := of.Lookup(t.key)
	if !bytes.Equal(of.Holder(&t.place[0]), t.key) {
		delete(w.Timers().at, &t.place[0])
		return nil
	}
	t.active, t.running = false, true
	defer func() { t.running = false }()
	return t.program.call(w, t.callback, func(m *run) []uint64 {
		return []uint64{mapAddress(t.of), m.add(bytes.Clone(t.key)), m.share(value)}
	})
}

// call calls a function of the program by itself, without a packet.
func (p *Program) call(w World, function uint64, arguments func(*run) []uint64) error {
	m := runs.Get().(*run)
	defer m.free()
	m.world, m.packet = w, NewPacket(nil, 0)
	m.regions, m.left, m.callbacks = m.few[:0], maxSteps, maxCallbacks
	m.enter(p)
	_, err := m.callback(function, arguments(m)...)
	return err
}
