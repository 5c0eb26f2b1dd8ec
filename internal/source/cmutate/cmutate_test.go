package cmutate

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// example is C in the kernel's style.
const example = `/* if (a < b) return -EINVAL; */
static int check(int a, const int *b)
{
	int ret = 0;

	if (a < 0 || !b)
		return -EINVAL;
	if (a > *b)
		return -ERANGE;
	ret = a;
	if (a == *b) {
		ret = 7;
	}
	return ret;
}

static void
put(int *to)
{
	*to = 1;
}
`

func TestMutants(t *testing.T) {
	m := &Mutator{}
	out := m.Text("kernel/example.c", 1, example)
	var keys []string
	for i, one := range m.Mutants {
		assert.Equal(t, i+1, one.Number)
		keys = append(keys, one.Key())
	}
	for _, want := range []string{
		"example.c check: condition 1 is turned round", "example.c check: condition 1 lacks its part 2", "example.c check: condition 2 never holds",
		"example.c check: comparison 1, <, becomes <=", "example.c check: comparison 2, ||, becomes &&",
		"example.c check: errno 2, -ERANGE, becomes -EINVAL", "example.c check: errno 1, -EINVAL, becomes -EBADF",
		"example.c check: number 1, 0, becomes 1", "example.c check: check 2 comes in front of check 1",
		"example.c check: statement 4 (ret) is left out", "example.c put: statement 1 (to) is left out",
	} {
		assert.Contains(t, keys, want)
	}
	for _, key := range keys {
		assert.NotContains(t, key, "example.c check: statement 6", "the last return stays")
	}
	assert.Contains(t, out, "case "+strconv.Itoa(len(m.Mutants))+": put_mutant_"+strconv.Itoa(len(m.Mutants))+"(to); return;")
	assert.Contains(t, out, "return check_mutant_1(a, b);")

	without := &Mutator{Without: map[string]bool{"check": true}, Broken: map[string]bool{"example.c put: statement 1 (to) is left out": true}}
	without.Text("kernel/example.c", 1, example)
	for _, one := range without.Mutants {
		assert.Equal(t, "put", one.Function)
		assert.NotEqual(t, "statement 1 (to) is left out", one.What)
	}
}

// The text compiles, is itself without a mutant, and each mutant is another function.
func TestCompiled(t *testing.T) {
	cc, err := exec.LookPath("cc")
	if err != nil {
		t.Skip("no compiler for C")
	}
	m := &Mutator{}
	dir := t.TempDir()
	text := `#define EINVAL 22
#define EBADF 9
#define ERANGE 34
#include <stdio.h>
#include <stdlib.h>
static int nk_mutant;
` + m.Text("example.c", 1, example) + `
int main(int argc, char **argv)
{
	int n, limit = 5, to = 0;

	nk_mutant = atoi(argv[1]);
	for (n = -2; n < 8; n++)
		printf("%d ", check(n, &limit));
	put(&to);
	printf("%d %d\n", check(1, NULL + 0 * argc), to);
	return 0;
}
`
	require.NoError(t, os.WriteFile(filepath.Join(dir, "t.c"), []byte(text), 0o644))
	said, err := exec.Command(cc, "-w", "-o", filepath.Join(dir, "t"), filepath.Join(dir, "t.c")).CombinedOutput()
	require.NoError(t, err, string(said))
	run := func(n int) string {
		out, err := exec.Command(filepath.Join(dir, "t"), strconv.Itoa(n)).Output()
		if err != nil {
			return err.Error() // it may die of a null pointer
		}
		return strings.TrimSpace(string(out))
	}
	const itself = "-22 -22 0 1 2 3 4 7 -34 -34 -22 1"
	assert.Equal(t, itself, run(0))
	same := 0
	for _, one := range m.Mutants {
		if run(one.Number) == itself {
			same++
			t.Log("the same:", one.Key())
		}
	}
	assert.Less(t, same, len(m.Mutants)/6)
}
