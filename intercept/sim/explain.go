package sim

import (
	"fmt"
	"strings"

	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/mprog"
)

// policy is why the verifier of Linux 7.3 refuses a helper, and what it suggests, in
// lines as it breaks them.
type policy struct{ reason, suggestion string }

var (
	ofOtherTypes = &policy{"this program type does not allow the helper.",
		"Use a helper allowed for this program type, or move the logic to a compatible program type."}
	ofGPL = &policy{"this helper is restricted to GPL-compatible programs.",
		"Use a GPL-compatible license, or replace the helper with one that is available to non-GPL programs."}
)

const logWidth = 100 // of the lines of reasons and suggestions

// refuseHelper refuses a program for a call, with the verifier's line. Linux 7.3 also
// explains what there is a policy for.
func (k *call) refuseHelper(p *program, at int, helper, line string, why *policy) error {
	text := fmt.Sprintf("%d: (85) call %s\n%s\n", at, helper, line)
	if at == 0 {
		text = "0: R1=ctx() R10=fp0\n" + text
	}
	if why != nil && !k.kernel.Running().Before(fake.Version(7, 3)) {
		text += "\nVerification failed: Policy: Operation is not allowed\n\nReason:\n" +
			wrapped(fmt.Sprintf("The helper %s is not allowed: %s", helper, why.reason)) +
			fmt.Sprintf("\nAt:\n  insn %d\n       | ^-- error: policy check failed for helper %s\n  Instruction context:\n", at, helper) +
			context(p.insns, at) + "\nSuggestion:\n" + wrapped(why.suggestion) + "\n"
	}
	if err := k.log(text + processed(at+1)); err != nil {
		return err
	}
	return refuse("load/helper", mprog.EINVAL, "instruction %d: %s", at, line)
}

// context shows an instruction and two on each side.
func context(insns []byte, at int) string {
	var b strings.Builder
	for i := max(at-2, 0); i <= at+2 && (i+1)*insnSize <= len(insns); i++ {
		mark := "   "
		if i == at {
			mark = ">>>"
		}
		fmt.Fprintf(&b, "  %s %d | %s\n", mark, i, disassemble(insns[i*insnSize:]))
	}
	return b.String()
}

// wrapped breaks a text into lines, two blanks in.
func wrapped(text string) string {
	var b strings.Builder
	line := " "
	for word := range strings.FieldsSeq(text) {
		if len(line)+1+len(word) > logWidth {
			b.WriteString(line + "\n")
			line = " "
		}
		line += " " + word
	}
	return b.String() + line + "\n"
}
