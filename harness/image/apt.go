package image

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// mirrorEnv names the environment variable that gives the address of a Debian
// mirror, for systems whose own package sources do not.
const mirrorEnv = "NKCONFORM_DEBIAN_MIRROR"

// debianKeyring is where the package debian-archive-keyring has its keys.
const debianKeyring = "/usr/share/keyrings/debian-archive-keyring.gpg"

// suites are those whose kernels can be had, securitySuites those of the
// security archive.
var (
	suites = []string{"bookworm", "bookworm-backports", "trixie", "trixie-backports",
		"forky", "sid"}
	securitySuites = []string{"bookworm-security", "trixie-security"}
)

// apt is a private instance of Debian's package manager: it shares the
// system's proxy settings and keys, and nothing it changes.
type apt struct {
	dir   string // its files
	opts  Options
	stale error // why the package lists are older than they should be, if they are
}

// lockApt takes the lock of the private instance, and tells that it waits for
// another process to release it.
func lockApt(ctx context.Context, cache string, opts Options) (unlock func(), err error) {
	defer opts.seconds("waiting for another process that fetches")()
	return lock(ctx, cache, "apt")
}

// CanFetch returns an error that says what is missing if kernels cannot be fetched
// from Debian. It does not ask whether the network is there.
func CanFetch() error {
	cache, err := CacheDir()
	if err == nil {
		_, err = openApt(cache, Options{})
	}
	return err
}

// openApt sets up the private instance under the cache directory.
func openApt(cache string, opts Options) (*apt, error) {
	a := &apt{dir: filepath.Join(cache, "apt"), opts: opts}
	for _, tool := range []string{"apt-get", "apt-cache", "dpkg-deb"} {
		if _, err := exec.LookPath(tool); err != nil {
			return nil, lack(tool + " is missing: kernels are fetched with Debian's package tools; give a path instead")
		}
	}
	for _, d := range []string{"lists/partial", "cache/archives/partial", "downloads"} {
		if err := os.MkdirAll(filepath.Join(a.dir, d), 0o755); err != nil {
			return nil, fmt.Errorf("set up private apt: %w", err)
		}
	}
	list, err := a.sourceList(debianArchive(systemSources("/")))
	if err != nil {
		return nil, err
	}
	return a, a.write(map[string]string{"sources.list": list, "apt.conf": a.config()})
}

// write writes the files that say where packages come from. If one is new, so
// must be the package lists.
func (a *apt) write(files map[string]string) error {
	for name, text := range files {
		file := filepath.Join(a.dir, name)
		if old, err := os.ReadFile(file); err == nil && string(old) == text {
			continue // a newer file would make apt read all lists again
		}
		if err := os.Remove(a.updated()); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("set up private apt: %w", err)
		}
		if err := writeFile(file, text); err != nil {
			return fmt.Errorf("set up private apt: %w", err)
		}
	}
	return nil
}

func (a *apt) config() string {
	conf := "#clear APT::Update::Post-Invoke;\n#clear APT::Update::Post-Invoke-Success;\n#clear DPkg::Post-Invoke;\n"
	for _, o := range [][2]string{
		{"APT::Architecture", "amd64"},
		{"APT::Sandbox::User", ""}, // the cache may be in a private home
		{"Acquire::Languages", "none"},
		{"Acquire::Retries", "3"},
		{"APT::Update::Error-Mode", "any"}, // half of the lists would do for a day
		{"Dir::State::status", "/dev/null"},
		{"Dir::State::Lists", filepath.Join(a.dir, "lists")},
		{"Dir::Cache", filepath.Join(a.dir, "cache")},
		{"Dir::Cache::Archives", "archives"},
		{"Dir::Cache::pkgcache", "pkgcache.bin"},
		{"Dir::Cache::srcpkgcache", ""},
		{"Dir::Etc::SourceList", filepath.Join(a.dir, "sources.list")},
		{"Dir::Etc::SourceParts", "/dev/null"},
		{"Dir::Etc::Preferences", "/dev/null"},
		{"Dir::Etc::PreferencesParts", "/dev/null"},
	} {
		conf += fmt.Sprintf("%s %q;\n", o[0], o[1])
	}
	return conf
}

// sourceList returns the private sources: all suites of the archive.
func (a *apt) sourceList(from archive) (string, error) {
	if mirror := os.Getenv(mirrorEnv); mirror != "" {
		from.main = source{uri: mirror}
	}
	if from.main.uri == "" {
		return "", lack("the system's package sources name no Debian mirror: set " + mirrorEnv + " to the address of one and install the package debian-archive-keyring")
	}
	var list strings.Builder
	for _, part := range []struct {
		source
		suites []string
	}{{from.main, suites}, {from.security, securitySuites}} {
		if part.uri == "" {
			continue
		}
		key, err := a.keyring(part.signedBy)
		if err != nil {
			return "", err
		}
		for _, suite := range part.suites {
			fmt.Fprintf(&list, "deb [target=Packages%s] %s %s main\n", key, part.uri, suite)
		}
	}
	return list.String(), nil
}

// keyring returns the signed-by option for a source, or nothing to leave it
// to the keys the system trusts.
func (a *apt) keyring(signedBy string) (string, error) {
	if strings.Contains(signedBy, "BEGIN PGP") {
		file := filepath.Join(a.dir, "archive-key.asc")
		if err := os.WriteFile(file, []byte(signedBy+"\n"), 0o644); err != nil {
			return "", fmt.Errorf("set up private apt: %w", err)
		}
		return " signed-by=" + file, nil
	}
	// The keyring of the package has all releases' keys; a system's own
	// setting may name the key of that release only.
	if _, err := os.Stat(debianKeyring); err == nil {
		return " signed-by=" + debianKeyring, nil
	}
	if filepath.IsAbs(signedBy) {
		return " signed-by=" + signedBy, nil
	}
	if os.Getenv(mirrorEnv) != "" {
		return "", lack("the keys of Debian's archive are missing: install the package debian-archive-keyring")
	}
	return "", nil
}

// aptTimeout limits each of apt's steps but downloads.
const aptTimeout = 10 * time.Minute

// errLate is why a step of apt's was ended.
var errLate = fmt.Errorf("no end within %v", aptTimeout)

// run runs one of apt's programs and returns its output.
func (a *apt) run(ctx context.Context, name string, args ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, aptTimeout, errLate)
	defer cancel()
	return a.runUnlimited(ctx, name, args...)
}

func (a *apt) runUnlimited(ctx context.Context, name string, args ...string) ([]byte, error) {
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, name, append([]string{"-q", "-c", filepath.Join(a.dir, "apt.conf")}, args...)...)
	cmd.Dir = a.dir
	cmd.Env = append(os.Environ(), "LC_ALL=C", "DEBIAN_FRONTEND=noninteractive")
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	cmd.WaitDelay = 2 * time.Second
	// Of a signal that it knows apt makes an end from which it can go on.
	err := runGroup(cmd, syscall.SIGINT)
	name = filepath.Base(name)
	if ctx.Err() != nil {
		return nil, fmt.Errorf("%s %s: %w", name, args[0], context.Cause(ctx))
	}
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w: %s", name, args[0], err, complaint(stderr.String()))
	}
	return stdout.Bytes(), nil
}

// complaint picks the errors out of what apt prints.
func complaint(stderr string) string {
	var errs []string
	for line := range strings.Lines(stderr) {
		if strings.HasPrefix(line, "E: ") {
			errs = append(errs, strings.TrimSpace(line[3:]))
		}
	}
	if errs == nil {
		return strings.TrimSpace(stderr)
	}
	return strings.Join(errs, "; ")
}

// updateSpace is what the package lists and apt's digest of them take, in
// bytes, while they are renewed.
const updateSpace = 500 << 20

// updated is the file that was written when the package lists were fetched.
func (a *apt) updated() string { return filepath.Join(a.dir, "updated") }

// age returns how long ago the package lists were fetched.
func (a *apt) age() time.Duration {
	fi, err := os.Stat(a.updated())
	if err != nil {
		return 1<<63 - 1
	}
	return time.Since(fi.ModTime())
}

// update fetches the package lists.
func (a *apt) update(ctx context.Context) error {
	if err := checkSpace(a.dir, updateSpace); err != nil {
		return err
	}
	defer a.opts.seconds("fetching Debian's package lists")()
	if _, err := a.run(ctx, "apt-get", "update"); err != nil {
		return err
	}
	if err := os.WriteFile(a.updated(), nil, 0o644); err != nil {
		return fmt.Errorf("note update of package lists: %w", err)
	}
	return nil
}

// renew fetches package lists if they are older than life. That it could not is
// no error: older ones may do.
func (a *apt) renew(ctx context.Context, life time.Duration) error {
	if a.age() > life {
		a.stale = a.update(ctx)
	}
	return context.Cause(ctx)
}

// told adds to an error that the package lists are old.
func (a *apt) told(err error) error {
	if err == nil || a.stale == nil {
		return err
	}
	return fmt.Errorf("%w in old package lists: %w", err, a.stale)
}

// pkg is a package in one of its versions.
type pkg struct{ name, version string }

// packages returns all versions of the packages whose names start with one
// of the prefixes.
func (a *apt) packages(ctx context.Context, prefixes ...string) ([]pkg, error) {
	args := []string{"madison"}
	for _, p := range prefixes {
		out, err := a.run(ctx, "apt-cache", "pkgnames", p)
		if err != nil {
			return nil, err
		}
		args = append(args, strings.Fields(string(out))...)
	}
	if len(args) == 1 {
		return nil, nil
	}
	out, err := a.run(ctx, "apt-cache", args...)
	if err != nil {
		return nil, err
	}
	return parseMadison(out), nil
}

// parseMadison reads lines like "name | version | source".
func parseMadison(out []byte) []pkg {
	var all []pkg
	lines := bufio.NewScanner(bytes.NewReader(out))
	for lines.Scan() {
		if f := strings.Split(lines.Text(), "|"); len(f) == 3 {
			all = append(all, pkg{strings.TrimSpace(f[0]), strings.TrimSpace(f[1])})
		}
	}
	return all
}
