package page

import (
	_ "embed"
	"strings"
)

// familiesText is a section of docs/semantics.md, with a table.
//
//go:embed families.md
var familiesText string

// Family is a row of the table that compares hooks of netkit, of tcx and of cgroups.
type Family struct{ What, Netkit, TCX, Cgroup string }

// Families are the rows. What is the same for tcx as for netkit is the same text.
func Families() (rows []Family) {
	for line := range strings.Lines(familiesText) {
		cells := strings.Split(strings.Trim(line, "| \n"), " | ")
		if len(cells) != 4 || !strings.HasPrefix(line, "| ") || cells[0] == "netkit" {
			continue
		}
		r := Family{cells[0], cells[1], cells[2], cells[3]}
		if r.TCX == "the same" {
			r.TCX = r.Netkit
		}
		rows = append(rows, r)
	}
	return rows
}
