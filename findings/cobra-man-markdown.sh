#!/usr/bin/env bash
# Of:      github.com/spf13/cobra v1.10.2, cobra/doc GenMan
# Guessed: the page's description is the command's Long, as --help prints it.
# Came:    Long is read as Markdown, though the documentation of the field says nothing
#          of it: two stars in a line are gone, and what was between them is in
#          italics, so that the glob a/*/b* of a page means something else than that of
#          --help; aligned columns are filled as a paragraph. Who wants the text as it is
#          escapes it first.
# Needs:   Go.
set -euo pipefail
command -v go >/dev/null || { echo "cannot be tried: no go" >&2 && exit 2; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"

cat >main.go <<'GO'
package main

import (
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

func main() {
	c := &cobra.Command{
		Use: "play", Short: "Play scenarios", Run: func(*cobra.Command, []string) {},
		Long: "Play plays those that match a glob such as 'a/*/b*'.",
	}
	if len(os.Args) > 1 {
		_ = c.Execute()
		return
	}
	_ = doc.GenMan(c, nil, os.Stdout)
}
GO
go mod init finding 2>/dev/null
go get github.com/spf13/cobra@v1.10.2 2>/dev/null
go mod tidy 2>/dev/null
go build -o play .
{
	./play --help | sed -n 1p
	./play | sed -n '/^.SH DESCRIPTION/{n;p;}'
} | tee came
diff -u - came <<'EXPECTED'
Play plays those that match a glob such as 'a/*/b*'.
Play plays those that match a glob such as 'a/\fI/b\fP\&'.
EXPECTED
