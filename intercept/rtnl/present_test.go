package rtnl

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Libraries know nested attributes by the flag in their types, which stays.
func TestNestedAttributesStayNested(t *testing.T) {
	const nested, propertyList = 0x8000, 52 // NLA_F_NESTED, IFLA_PROP_LIST
	names := appendText(nil, attrAltName, "another")
	body := appendAttribute(make([]byte, infoSize), nested|propertyList, names)
	var types []uint16
	walkFlagged(newDevice(1, 5, "nk0", netkitInfo{}).dress(body, nil)[infoSize:], func(flagged uint16, value []byte) {
		types = append(types, flagged)
		require.Equal(t, names, append(value, make([]byte, len(names)-len(value))...))
	})
	require.Equal(t, []uint16{nested | propertyList}, types)
}
