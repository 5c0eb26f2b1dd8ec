package page

import (
	"bytes"
	"compress/flate"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
)

// State is all that a page is. A link to the page holds it.
type State struct {
	Release string   `json:"r,omitempty"` // "": the newest
	Without []string `json:"w,omitempty"` // features that the kernel is built without
	Lesson  string   `json:"l,omitempty"` // id, "": none
	Said    []string `json:"s,omitempty"` // what was said behind the lesson's stage
	Back    int      `json:"b,omitempty"` // how many statements, from the end, are taken back and can be played again
	Done    []string `json:"d,omitempty"` // lessons that are solved
}

// maxState is how long the text of a link may become when it is unpacked.
const maxState = 1 << 20

// String packs the state for a link: letters, digits, - and _.
func (s State) String() string {
	text, err := json.Marshal(s)
	if err != nil {
		panic(err) // strings and numbers
	}
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, flate.BestCompression)
	if err != nil {
		panic(err) // the level is a constant
	}
	_, _ = w.Write(text) // into memory
	_ = w.Close()
	return base64.RawURLEncoding.EncodeToString(b.Bytes())
}

// begins reports whether the page is as it is opened first.
func (s State) begins() bool {
	return s.Release == "" && s.Without == nil && s.Lesson == Lessons[0].ID && s.Said == nil && s.Back == 0 && s.Done == nil
}

// ParseState is the inverse of [State.String]. "" is the first lesson, which is nothing
// to unpack, so that the page is there sooner.
func ParseState(link string) (s State, err error) {
	if link == "" {
		return State{Lesson: Lessons[0].ID}, nil
	}
	packed, err := base64.RawURLEncoding.DecodeString(link)
	if err != nil {
		return s, fmt.Errorf("the link is not one of this page: %w", err)
	}
	text, err := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(packed)), maxState))
	if err == nil {
		err = json.Unmarshal(text, &s)
	}
	if err != nil {
		return State{}, fmt.Errorf("the link is not one of this page: %w", err)
	}
	return s, nil
}
