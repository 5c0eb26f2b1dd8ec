package guest

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/harness/internal/back"
	"github.com/nkconform/nkconform/harness/internal/wire"
)

// run is the guest side. It returns only if mode does not mean this process.
func run(mode string) {
	how, arg, _ := strings.Cut(mode, ":")
	switch {
	case how == "init" && os.Getpid() == 1:
		bootUp(arg)
	case how == "agent":
		os.Exit(agent(arg))
	}
}

// bootUp is init: it sets the system up, runs the job, sends what comes of it
// to the device and ends the machine.
func bootUp(device string) {
	fmt.Println("nkconform guest: init runs")
	// An init that ends is a kernel panic; an orderly end is a reboot, which
	// every machine is started not to do.
	defer func() {
		unix.Sync()
		_ = unix.Reboot(unix.LINUX_REBOOT_CMD_RESTART)
	}()
	for _, err := range append(setUp(), setModprobe()) {
		if err != nil {
			fmt.Println("nkconform guest:", err)
		}
	}
	port, err := openPort(device)
	if err != nil {
		fmt.Println("nkconform guest:", err)
		return
	}
	if err := serve(port, JobFile); err != nil {
		fmt.Println("nkconform guest:", err)
	}
	// Wait until the last byte has left.
	if err := unix.IoctlSetInt(int(port.Fd()), unix.TCSBRK, 1); err != nil && !errors.Is(err, unix.ENOTTY) {
		fmt.Println("nkconform guest: drain port:", err)
	}
}

// serve announces the guest, runs the job in jobFile and reports its exit.
func serve(port *os.File, jobFile string) error {
	out := wire.NewWriter(port)
	if err := out.Send(wire.Hello, []byte(release())); err != nil {
		return fmt.Errorf("send hello: %w", err)
	}
	raw, err := os.ReadFile(jobFile)
	if err != nil {
		return fmt.Errorf("read job: %w", err)
	}
	var job wire.Job
	if err := json.Unmarshal(raw, &job); err != nil {
		return fmt.Errorf("read job: %w", err)
	}
	hang, err := time.ParseDuration(os.Getenv(HangEnv))
	if err != nil {
		return fmt.Errorf("read %s: %w", HangEnv, err)
	}
	tellHangs(hang)
	stop := beat(out, hang, func() string {
		if pid := running.Load(); job.Steady && pid > 0 {
			return doing(int(pid))
		}
		return ""
	})
	defer stop()
	stderr := out.Stream(wire.Stderr)
	if err := makeWritable(job.Out); err != nil {
		fmt.Fprintf(stderr, "nkconform guest: %v\n", err)
	}
	before := back.Look(job.Out)
	status := statusCannotRun
	if err := loadModules(job.Modules, ""); err != nil {
		fmt.Fprintf(stderr, "nkconform guest: %v\n", err)
	} else {
		status = start(job, out.Stream(wire.Stdout), stderr)
	}
	if names := unknown(); status != 0 && len(names) > 0 {
		fmt.Fprintf(stderr, "nkconform guest: the kernel asked for modules that are not here: %s%s\n", strings.Join(names, ", "), job.ModulesHint)
	}
	if err := before.Pack(out.Stream(wire.Files)); err != nil {
		fmt.Fprintf(stderr, "nkconform guest: %v\n", err)
		status = cmp.Or(status, statusCannotReturn)
	}
	if err := out.Send(wire.Exit, []byte(strconv.Itoa(status))); err != nil {
		return fmt.Errorf("send exit status: %w", err)
	}
	return nil
}

func release() string {
	var uts unix.Utsname
	if err := unix.Uname(&uts); err != nil {
		return ""
	}
	return unix.ByteSliceToString(uts.Release[:])
}

// openPort opens the device that leads to the harness and, if it is a
// terminal, makes it pass bytes unchanged.
func openPort(device string) (*os.File, error) {
	port, err := os.OpenFile(device, os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, fmt.Errorf("open the port to the harness: %w", err)
	}
	fd := int(port.Fd())
	t, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if errors.Is(err, unix.ENOTTY) {
		return port, nil
	}
	if err != nil {
		return nil, fmt.Errorf("get settings of %s: %w", device, err)
	}
	t.Iflag, t.Oflag, t.Lflag = 0, 0, 0
	t.Cflag = t.Cflag&^(unix.CSIZE|unix.PARENB) | unix.CS8 | unix.CLOCAL | unix.CREAD
	if err := unix.IoctlSetTermios(fd, unix.TCSETS, t); err != nil {
		return nil, fmt.Errorf("set %s to raw: %w", device, err)
	}
	return port, nil
}
