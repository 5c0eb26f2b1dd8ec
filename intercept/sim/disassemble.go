package sim

import (
	"fmt"

	"github.com/nkconform/nkconform/intercept/machine"
)

// aluSigns and jumpSigns are the operations by the upper bits of a code.
var (
	aluSigns  = [...]string{"+=", "-=", "*=", "/=", "|=", "&=", "<<=", ">>=", "", "%=", "^=", "=", "s>>="}
	jumpSigns = map[byte]string{1: "==", 2: ">", 3: ">=", 4: "&", 5: "!=", 6: "s>", 7: "s>=", 10: "<", 11: "<=", 12: "s<", 13: "s<="}
)

// disassemble shows an instruction of arithmetic, a jump, a call or an exit as the
// verifier does, and of others the code (print_bpf_insn).
func disassemble(p []byte) string {
	in := insn(p)
	code := in.code()
	head := fmt.Sprintf("(%02x)", code)
	letter := "r"
	operand := func() string {
		if code&8 != 0 {
			return fmt.Sprintf("%s%d", letter, in.src())
		}
		return fmt.Sprint(in.imm())
	}
	switch class := in.class(); {
	case code == exit:
		return head + " exit"
	case code == callCode && in.src() == 0:
		if name := machine.HelperName(in.imm()); name != "" {
			return fmt.Sprintf("%s call bpf_%s#%d", head, name, in.imm())
		}
		return fmt.Sprintf("%s call unknown#%d", head, in.imm())
	case code == goTo:
		return fmt.Sprintf("%s goto pc%+d", head, in.off())
	case (class == 4 || class == 7) && int(code>>4) < len(aluSigns) && aluSigns[code>>4] != "" && in.off() == 0:
		if class == 4 {
			letter = "w"
		}
		return fmt.Sprintf("%s %s%d %s %s", head, letter, in.dst(), aluSigns[code>>4], operand())
	case (class == classJump || class == classJump32) && jumpSigns[code>>4] != "":
		if class == classJump32 {
			letter = "w"
		}
		right := operand()
		if code&8 == 0 {
			right = fmt.Sprintf("%#x", in.imm())
		}
		return fmt.Sprintf("%s if %s%d %s %s goto pc%+d", head, letter, in.dst(), jumpSigns[code>>4], right, in.off())
	}
	return head
}
