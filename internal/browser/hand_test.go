package browser

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// Lessons are solved with what the page shows: things that are taken up, places to put
// them, buttons. A line that begins with > is typed, of what the lesson says.
func TestLessonsByHand(t *testing.T) {
	b := open(t, 1280, 900, "")
	for _, tc := range []struct {
		lesson  string
		presses []string // data-key of what is pressed; KEY=VALUE chooses
		said    string   // the statements that this is
	}{
		{"before-after", []string{"pc", "gnk0:primary1", "pd", "gnk0:primary0"},
			"attach nk0:primary c flags=before relative_fd=a; attach nk0:primary d flags=before"},
		{"two-owners", []string{"enk0:primary0", "off", "pb", "gnk0:primary0"},
			"detach nk0:primary a; attach nk0:primary b flags=before"},
		{"links-pins", []string{"bylink=true", "pb", "gnk0:primary0", "lol1pin", "lol1close"},
			"link l1 nk0:primary b; pin /sys/fs/bpf/l1 l1; close l1"},
		{"crash", []string{">agent2: link l1 nk0:primary a", ">agent2: pin /sys/fs/bpf/l1 l1", ">exit agent2", "sendnk0"},
			"agent2: link l1 nk0:primary a; agent2: pin /sys/fs/bpf/l1 l1; exit agent2; send nk0"},
		{"full", []string{"bylink=false", "many=a", "gnk0:primary0", "enk0:primary61", "off", "many=a", "gnk0:primary0"},
			"attach nk0:primary a flags=before; detach nk0:primary p62; attach nk0:primary a flags=before"},
		{"peer", []string{">attach nk1:peer a", "pa", "gnk0:peer0", "sendnk1"},
			"attach nk1:peer a; attach nk0:peer a; send nk1"},
		{"gone", []string{"pb", "ll", "pin/sys/fs/bpf/agentremove", "bylink=true", "pb", "gnk2:primary0", ">pin /sys/fs/bpf/agent l1"},
			"link-update m b; unlink /sys/fs/bpf/agent; link l1 nk2:primary b; pin /sys/fs/bpf/agent l1"},
		{"tcx-clsact", []string{"bylink=false", "sendnk0", "pn", "enk0:egress0", "sendnk0"},
			"send nk0; attach nk0:egress n flags=replace replace_bpf_fd=p; send nk0"},
		{"cgroup", []string{"pp", "gg:cgroup_inet_ingress0", "ccdatagram to q", "eg:cgroup_inet_ingress0", "off", "bypreorder=true", "pp", "gg:cgroup_inet_ingress1", "ccdatagram to q"},
			"attach g:cgroup_inet_ingress p flags=multi+before; datagram q; detach g:cgroup_inet_ingress p; attach g:cgroup_inet_ingress p flags=multi+preorder; datagram q"},
	} {
		b.run(chromedp.Click(chromedp.CSS(`[data-lesson="` + tc.lesson + `"]`)))
		before := eval[int](b, `document.querySelectorAll("#steps button").length`)
		for _, key := range tc.presses {
			name, value, chooses := strings.Cut(key, "=")
			line, typed := strings.CutPrefix(key, ">")
			switch {
			case typed:
				b.say(line)
			case chooses:
				eval[any](b, `(() => { const s = document.querySelector('[data-key="`+name+`"]'); s.value = "`+value+`"; s.dispatchEvent(new Event("change", {bubbles: true})); return null })()`)
			default:
				b.run(chromedp.Click(chromedp.CSS(`[data-key="` + key + `"]`)))
			}
		}
		said := eval[[]string](b, `[...document.querySelectorAll("#steps button")].map(s => s.firstChild.textContent)`)[before:]
		if got := strings.Join(said, "; "); got != tc.said {
			t.Errorf("%s: it was said %q, not %q; %s", tc.lesson, got, tc.said, b.text("#note"))
		}
		if done := eval[bool](b, `!!document.querySelector(".task.done")`); !done {
			t.Errorf("%s is not done: %s", tc.lesson, b.text(".goals"))
		}
	}
	b.quiet()
}
