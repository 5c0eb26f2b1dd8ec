package doctor

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestExamine(t *testing.T) {
	never := func() (string, error) { t.Error("tried though nobody asks"); return "", nil }
	checks := []Check{
		{"wings", "wings", "flying", func() (string, error) { return "two", nil }},
		{"fuel", "fuel", "flying far", func() (string, error) { return "", &Missing{"the tank is empty", "fill it"} }},
		{"pilot", "a pilot", "flying anywhere", func() (string, error) { return "", errors.New("asleep") }},
		{"anchor", "an anchor", "sailing", never},
	}
	r := Examine("a machine", checks, []Use{
		{Name: "walk", Is: "on foot"},
		{Name: "glide", Is: "down", Needs: []string{"wings"}, Better: []string{"pilot"}},
		{Name: "fly", Is: "up", Needs: []string{"wings", "fuel", "pilot"}},
	})
	require.EqualError(t, r.Err(), "fly needs fuel, pilot")
	var b strings.Builder
	require.NoError(t, r.WriteText(&b, false))
	require.Equal(t, `a machine

yes  wings  wings    flying [two]
no   fuel   fuel     flying far
            the tank is empty
            try: fill it
no   pilot  a pilot  flying anywhere
            asleep

yes  walk   on foot
yes  glide  down (without pilot)
no   fly    up (needs fuel, pilot)
`, b.String())
	b.Reset()
	require.NoError(t, r.WriteText(&b, true))
	require.Contains(t, b.String(), "\x1b[31mno \x1b[0m  fuel ")
	require.Nil(t, Examine("", checks, []Use{{Name: "walk"}}).Err())
}
