package browser

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// TestShots takes pictures of the page, for people to look at, into the folder that
// NKCONFORM_SHOTS names.
func TestShots(t *testing.T) {
	dir := os.Getenv("NKCONFORM_SHOTS")
	if dir == "" {
		t.Skip("NKCONFORM_SHOTS names no folder to put pictures of the page in")
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, width := range []int{390, 820, 1280} {
		for _, scheme := range []string{"light", "dark"} {
			b := open(t, width, 900, "", media("prefers-color-scheme", scheme))
			shoot := func(name string) {
				picture, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(100))
				if err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%s-%d-%s.png", name, width, scheme)), picture, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			shoot("start")
			b.say("attach nk0:primary a\nprog b return=2\nattach nk0:primary b flags=before\nsend nk0")
			shoot("packet")
			b.run(chromedp.Click(chromedp.CSS(`[data-lesson="two-owners"]`)))
			b.say("attach nk0:primary b flags=before relative_fd=a\ndetach nk0:primary a")
			shoot("refused")
			b.say("attach nk0:primary c flags=befor")
			b.run(chromedp.Click(chromedp.CSS(`[data-pick*='"Prog":"b"']`)))
			shoot("carry")
			b.run(chromedp.Click(chromedp.CSS(`[data-lesson="cgroup"]`)))
			b.say("prog r type=cgroup_skb return=0\nlink l c:cgroup_inet_ingress r flags=preorder\nattach g:cgroup_inet_ingress p flags=multi+preorder\ndatagram q")
			eval[any](b, `(() => { for (const a of document.getAnimations()) a.finish(); document.querySelector('[data-key="families"]').parentElement.open = true; return null })()`)
			shoot("cgroup")
			if width == 1280 && scheme == "light" {
				b.run(chromedp.Click(chromedp.CSS(`[data-lesson="tcx-clsact"]`)))
				b.say("send nk0\nattach nk0:egress n flags=replace replace_bpf_fd=p\nsend nk0")
				shoot("clsact")
				b.run(chromedp.Click(chromedp.CSS(`[data-lesson="full"]`)))
				shoot("full")
				background := true
				pdf := call(b, page.PrintToPDF, page.PrintToPDFParams{PrintBackground: &background}).Data
				if err := os.WriteFile(filepath.Join(dir, "print.pdf"), pdf, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if len(b.errors) > 0 {
				t.Error(b.errors)
			}
		}
	}
}
