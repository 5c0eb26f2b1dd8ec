package wire

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// readAll returns the frames in b, and the error that ended them if it is
// not io.EOF.
func readAll(b []byte) (frames []Frame, err error) {
	r := NewReader(bytes.NewReader(b))
	for {
		f, err := r.Next()
		if errors.Is(err, io.EOF) {
			return frames, nil
		}
		if err != nil {
			return frames, err
		}
		frames = append(frames, f)
	}
}

func example(t *testing.T) (stream []byte, frames []Frame) {
	t.Helper()
	frames = []Frame{
		{Hello, []byte("7.3.4-cloud-amd64")},
		{Stdout, []byte("a line\n")},
		{Stderr, []byte{0, 0xff, '\r', '\n'}},
		{Stdout, []byte{}},
		{Exit, []byte("3")},
	}
	var b bytes.Buffer
	w := NewWriter(&b)
	for _, f := range frames {
		require.NoError(t, w.Send(f.Kind, f.Data))
	}
	return b.Bytes(), frames
}

func TestRoundTrip(t *testing.T) {
	stream, want := example(t)
	got, err := readAll(stream)
	require.NoError(t, err)
	assert.Equal(t, want, got)

	got, err = readAll(append([]byte("noise of the line\x00\x00nkconf\r\n"), stream...))
	require.NoError(t, err)
	assert.Equal(t, want, got, "after noise")
}

// A guest may die at any byte: what came whole counts, the rest is its end.
func TestCutOff(t *testing.T) {
	stream, want := example(t)
	for n := range stream {
		got, err := readAll(stream[:n])
		require.NoError(t, err, "cut off after %d bytes", n)
		require.LessOrEqual(t, len(got), len(want))
		for i := range got {
			assert.Equal(t, want[i], got[i], "cut off after %d bytes", n)
		}
	}
}

func TestDamageIsNeverAnotherAnswer(t *testing.T) {
	stream, want := example(t)
	for n := len(magic); n < len(stream); n++ {
		damaged := bytes.Clone(stream)
		damaged[n] ^= 0x10
		got, _ := readAll(damaged)
		for i := range got {
			if i < len(want) && got[i].Kind == want[i].Kind {
				assert.Equal(t, want[i], got[i], "byte %d damaged", n)
			}
		}
	}
	_, err := readAll(bytes.Repeat([]byte("noise"), maxNoise))
	assert.ErrorContains(t, err, "only noise")
}

func TestLargeAndConcurrent(t *testing.T) {
	var b bytes.Buffer
	w := NewWriter(&b)
	text := strings.Repeat("0123456789abcdef", maxData/16+1)
	var wg sync.WaitGroup
	for _, kind := range []Kind{Stdout, Stderr} {
		wg.Go(func() {
			_, err := io.WriteString(w.Stream(kind), text)
			assert.NoError(t, err)
		})
	}
	wg.Wait()
	assert.Less(t, b.Len(), len(text)/8, "the stream is compressed")
	frames, err := readAll(b.Bytes())
	require.NoError(t, err)
	got := map[Kind]string{}
	for _, f := range frames {
		got[f.Kind] += string(f.Data)
	}
	assert.True(t, got[Stdout] == text && got[Stderr] == text)
}
