//go:build amd64 || arm64

package intercept

import (
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"sync"

	"github.com/nkconform/nkconform/intercept/notify"
	"github.com/nkconform/nkconform/intercept/sim"
	"github.com/nkconform/nkconform/mprog"
)

// explainer writes a line for each call.
type explainer struct {
	mu  sync.Mutex // held while out is written to
	out io.Writer
}

func (e *explainer) printf(format string, args ...any) {
	e.mu.Lock()
	defer e.mu.Unlock()
	fmt.Fprintf(e.out, format, args...)
}

func (e *explainer) bpf(c *notify.Call, a *sim.Answer) {
	answer := fmt.Sprint(a.Value)
	if a.Errno != 0 {
		answer = "-1 " + a.Errno.String()
		var refusal *mprog.Error
		if errors.As(a.Err, &refusal) && refusal.Detail != "" {
			answer += fmt.Sprintf(" (%s) by rule %s", refusal.Detail, refusal.Rule)
		} else if a.Err != nil {
			answer += fmt.Sprintf(" (%v)", a.Err)
		}
	}
	e.printf("[%d] %s(%s) = %s\n", c.TID, a.Command, fields(reflect.ValueOf(a.Request)), answer)
}

// fields lists what a request has besides zeros.
func fields(request reflect.Value) string {
	if request.Kind() != reflect.Struct {
		return ""
	}
	var list []string
	for i := range request.NumField() {
		name, value := request.Type().Field(i).Name, request.Field(i)
		switch {
		case value.IsZero():
		case value.Kind() == reflect.Struct:
			list = append(list, fields(value))
		case value.Kind() == reflect.Slice:
			list = append(list, name)
		default:
			list = append(list, fmt.Sprintf("%s=%v", name, value.Interface()))
		}
	}
	return strings.Join(list, " ")
}

// packet tells what a hook made of a packet, unless it has no programs.
func (e *explainer) packet(device string, at mprog.AttachType, made *sim.Passage) {
	if len(made.Ran) == 0 {
		return
	}
	fate := "goes on"
	if !made.Passes {
		fate = "does not go on"
	}
	e.printf("packet on %s, %s: %s; it %s\n", device, at, strings.Join(made.Ran, ", "), fate)
}

func (e *explainer) line(c *notify.Call, asked, answer string) {
	e.printf("[%d] %s = %s\n", c.TID, asked, answer)
}
