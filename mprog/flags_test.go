package mprog

import "testing"

func TestParseFlags(t *testing.T) {
	for _, tc := range []struct {
		text string
		want Flags
	}{
		{"before", Before}, {"before+id", Before | ID}, {"BPF_F_BEFORE|BPF_F_ID", Before | ID}, {"before,id", Before | ID},
		{"bpf_f_link|Replace,0x80", Link | Replace | 0x80}, {"0", 0},
		{"BPF_F_ALLOW_MULTI|BPF_F_PREORDER", AllowMulti | Preorder},
	} {
		if got, err := ParseFlags(tc.text); got != tc.want || err != nil {
			t.Errorf("%s: %v, %v", tc.text, got, err)
		}
	}
	for _, wrong := range []string{"", "befor", "before+", "BPF_F_", "BPF_BEFORE"} {
		if f, err := ParseFlags(wrong); err == nil {
			t.Errorf("%q is taken for %v", wrong, f)
		}
	}
}
