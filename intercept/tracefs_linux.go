//go:build amd64 || arm64

package intercept

import "strconv"

// tracepointOf names a tracepoint by its id.
func (s *supervisor) tracepointOf(id uint64) string { return "id/" + strconv.FormatUint(id, 10) }
