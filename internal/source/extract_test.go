package source

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// text is C in the kernel's style, with what misleads a reader that counts braces.
const example = `#include <linux/example.h>

#define SIZE_LAST_FIELD size
#define MASK	\
	(1 | \
	 2)

struct pair {
	int a; /* } */
};

static int first(int a);

static int
first(int a)
{
	return a ? second(a, '}') : 0;
}

struct pair *second(int a,
		    char b)
{
	if (a) {
		return NULL;
	}
	return first(b);
}

static const struct ops table = {
	.first	= first,
};
`

func TestExtract(t *testing.T) {
	f := &cFile{"kernel/example.c", example}
	first, ok := f.function("first")
	require.True(t, ok)
	assert.Equal(t, "static int\nfirst(int a)\n{\n\treturn a ? second(a, '}') : 0;\n}\n", first.text)
	assert.Equal(t, 14, first.line)
	assert.Equal(t, "#line 14 \"kernel/example.c\"\nstatic int\nfirst(int a);\n", first.prototype())

	second, ok := f.function("second")
	require.True(t, ok)
	assert.Equal(t, 20, second.line)
	assert.Equal(t, 2, second.params("second"))

	pair, ok := f.declared("struct pair")
	require.True(t, ok)
	assert.Equal(t, "struct pair {\n\tint a; /* } */\n};\n", pair.text)
	table, ok := f.variable("table")
	require.True(t, ok)
	assert.Equal(t, 29, table.line)

	macros := f.macros(`\w+_LAST_FIELD|MASK`)
	require.Len(t, macros, 2)
	assert.Equal(t, "#define MASK\t\\\n\t(1 | \\\n\t 2)\n", macros[1].text)
	assert.NotContains(t, f.whole().text, "#include")

	for _, absent := range []string{"third", "irst", "econd"} {
		_, ok := f.function(absent)
		assert.False(t, ok, absent)
	}
}

func TestReleaseOf(t *testing.T) {
	release, err := releaseOf("VERSION = 7\nPATCHLEVEL = 3\nSUBLEVEL = 4\nEXTRAVERSION =\n")
	require.NoError(t, err)
	assert.Equal(t, "7.3.4", release)
	_, err = releaseOf("VERSION = 7\n")
	assert.EqualError(t, err, "the Makefile does not tell its PATCHLEVEL")
}
