package image

import (
	"bufio"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// source is an entry of the system's apt sources: some suites of an archive.
type source struct {
	uri      string
	suites   []string
	signedBy string // path of a keyring, or a key in ASCII armour; may be empty
}

// systemSources reads the package sources of the system, skipping files that
// cannot be read.
func systemSources(root string) []source {
	files := []string{filepath.Join(root, "etc/apt/sources.list")}
	for _, ext := range []string{"*.list", "*.sources"} {
		more, _ := filepath.Glob(filepath.Join(root, "etc/apt/sources.list.d", ext))
		files = append(files, more...)
	}
	var all []source
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		if strings.HasSuffix(file, ".sources") {
			all = append(all, parseDeb822(string(b))...)
		} else {
			all = append(all, parseOneLine(string(b))...)
		}
	}
	return all
}

// parseOneLine reads lines like "deb [signed-by=FILE] URI SUITE COMPONENT…".
func parseOneLine(text string) []source {
	var all []source
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		rest, ok := strings.CutPrefix(strings.TrimSpace(line), "deb ")
		if !ok {
			continue
		}
		rest = strings.TrimSpace(rest)
		var s source
		if opts, after, ok := strings.Cut(rest, "]"); ok && strings.HasPrefix(opts, "[") {
			for _, o := range strings.Fields(opts[1:]) {
				if v, ok := strings.CutPrefix(o, "signed-by="); ok {
					s.signedBy = v
				}
			}
			rest = after
		}
		words := strings.Fields(rest)
		if len(words) < 3 || !slices.Contains(words[2:], "main") {
			continue
		}
		s.uri, s.suites = words[0], words[1:2]
		all = append(all, s)
	}
	return all
}

// parseDeb822 reads paragraphs of fields, as in a .sources file.
func parseDeb822(text string) []source {
	var all []source
	fields := map[string]string{}
	flush := func() {
		has := func(field, word string) bool { return slices.Contains(strings.Fields(fields[field]), word) }
		enabled := !slices.Contains([]string{"no", "false", "0", "off"}, strings.ToLower(fields["enabled"]))
		if enabled && has("types", "deb") && has("components", "main") {
			for _, uri := range strings.Fields(fields["uris"]) {
				all = append(all, source{uri, strings.Fields(fields["suites"]), fields["signed-by"]})
			}
		}
		clear(fields)
	}
	last := ""
	lines := bufio.NewScanner(strings.NewReader(text))
	for lines.Scan() {
		line := lines.Text()
		switch {
		case strings.HasPrefix(line, "#"):
		case strings.TrimSpace(line) == "":
			flush()
		case line[0] == ' ' || line[0] == '\t':
			// A continuation; a lone dot stands for an empty line.
			if line = strings.TrimSpace(line); line == "." {
				line = ""
			}
			fields[last] = strings.TrimPrefix(fields[last]+"\n"+line, "\n")
		default:
			name, value, _ := strings.Cut(line, ":")
			last = strings.ToLower(strings.TrimSpace(name))
			fields[last] = strings.TrimSpace(value)
		}
	}
	flush()
	return all
}

// codenames are Debian's releases, by which its sources are told from those
// of other distributions.
var codenames = []string{
	"bullseye", "bookworm", "trixie", "forky", "duke", "sid",
	"oldoldstable", "oldstable", "stable", "testing", "unstable",
}

// archive is where Debian's packages come from.
type archive struct{ main, security source }

// debianArchive picks Debian's archive and its security archive out of the
// system's sources. Either may be left zero.
func debianArchive(sources []source) archive {
	var a archive
	for _, s := range sources {
		for _, suite := range s.suites {
			name, isSecurity := strings.CutSuffix(suite, "-security")
			if i := strings.IndexByte(name, '-'); i >= 0 {
				name = name[:i] // -updates, -backports
			}
			if !slices.Contains(codenames, name) {
				continue
			}
			if isSecurity && a.security.uri == "" {
				a.security = s
			}
			if !isSecurity && a.main.uri == "" {
				a.main = s
			}
		}
	}
	return a
}
