package image

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const keyringOfTest = "/usr/share/keyrings/debian-archive-keyring.gpg"

func TestSystemSources(t *testing.T) {
	key := "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nmDMEY865UxYJKwYBBAHaRw8BAQdAd7Z0srwuhlB6JKFkcf4HU4SSS\n-----END PGP PUBLIC KEY BLOCK-----"
	for _, test := range []struct {
		name, file string
		want       archive
	}{
		{"deb822", "debian.sources", archive{
			main:     source{"http://mirror.example/debian", []string{"bookworm", "bookworm-updates"}, keyringOfTest},
			security: source{"http://mirror.example/debian-security", []string{"bookworm-security"}, key},
		}},
		{"one-line", "debian.list", archive{
			main:     source{"http://mirror.example/debian", []string{"trixie"}, keyringOfTest},
			security: source{"http://mirror.example/debian-security", []string{"trixie-security"}, ""},
		}},
		{"another distribution", "ubuntu.sources", archive{}},
	} {
		t.Run(test.name, func(t *testing.T) {
			root := t.TempDir()
			dir := filepath.Join(root, "etc/apt/sources.list.d")
			require.NoError(t, os.MkdirAll(dir, 0o755))
			text, err := os.ReadFile(filepath.Join("testdata", test.file))
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(filepath.Join(dir, test.file), text, 0o644))
			assert.Equal(t, test.want, debianArchive(systemSources(root)))
		})
	}
}

func TestSourceList(t *testing.T) {
	a := &apt{dir: t.TempDir()}

	t.Setenv(mirrorEnv, "")
	_, err := a.sourceList(archive{})
	assert.ErrorContains(t, err, mirrorEnv, "the error says what to set")

	list, err := a.sourceList(archive{main: source{uri: "http://mirror.example/debian", signedBy: "BEGIN PGP"}})
	require.NoError(t, err)
	key := filepath.Join(a.dir, "archive-key.asc")
	assert.Contains(t, list, "deb [target=Packages signed-by="+key+"] http://mirror.example/debian sid main\n")
	assert.NotContains(t, list, "-security", "without a security archive")
	assert.FileExists(t, key)
}

func TestComplaint(t *testing.T) {
	assert.Equal(t, "no such package; gone", complaint("W: careful\nE: no such package\nN: note\nE: gone\n"))
	assert.Equal(t, "what else", complaint(" what else\n"))
}

func TestOtherSourcesNeedOtherLists(t *testing.T) {
	a := &apt{dir: t.TempDir()}
	files := map[string]string{"sources.list": "deb http://one.example/debian sid main\n"}
	fetched := func() { require.NoError(t, os.WriteFile(a.updated(), nil, 0o644)) }
	fetched()
	require.NoError(t, a.write(files))
	assert.NoFileExists(t, a.updated(), "of the first sources")
	fetched()
	require.NoError(t, a.write(files))
	assert.FileExists(t, a.updated(), "of the same sources")
	files["sources.list"] = "deb http://two.example/debian sid main\n"
	require.NoError(t, a.write(files))
	assert.NoFileExists(t, a.updated(), "of other sources")
}
